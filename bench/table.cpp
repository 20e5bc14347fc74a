#include "table.hpp"

#include <malloc.h>

#include <climits>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace bench {

std::string time_text(double nanoseconds) {
  static const char* const units[] = {"ns", "us", "ms", "s"};
  int unit = 0;
  while (std::fabs(nanoseconds) >= 1000 && unit < 3) nanoseconds /= 1000, ++unit;
  char text[32];
  std::snprintf(text, sizeof text, "%.4g %s", nanoseconds, units[unit]);
  return text;
}

void print_header(const char* title) {
  std::printf("\n%-46s %12s %12s %7s\n", title, "value", "bar", "ratio");
}

void print_row(const std::string& what, double value, double bar, std::string (*text)(double),
               const std::string& note) {
  std::string limit, ratio;
  if (bar > 0) {
    char digits[16];
    std::snprintf(digits, sizeof digits, "%.2f", value / bar);
    limit = text(bar);
    ratio = digits;
  }
  std::printf("%-46s %12s %12s %7s  %s\n", what.c_str(), text(value).c_str(), limit.c_str(),
              ratio.c_str(), note.c_str());
  std::fflush(stdout);
}

bool TableReporter::ReportContext(const Context&) {
  print_header(title_);
  return true;
}

static double counter(const benchmark::BenchmarkReporter::Run& run, const char* name) {
  auto it = run.counters.find(name);
  return it == run.counters.end() ? 0 : it->second.value;
}

// "name/100/repeats:5" -> "name", 100
static TableReporter::Point point_of(const benchmark::BenchmarkReporter::Run& run) {
  const std::string& args = run.run_name.args;
  return {run.run_name.function_name, args.empty() ? 0 : std::atof(args.c_str()), 0};
}

void TableReporter::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    if (run.error_occurred) {
      std::printf("%-46s %s\n", run.benchmark_name().c_str(), run.error_message.c_str());
      continue;
    }
    bool repeated = run.repetitions > 1;
    if (repeated && run.aggregate_name != "median") continue;
    Point point = point_of(run);
    bool manual = !run.run_name.time_type.empty();
    point.time = (manual ? run.GetAdjustedRealTime() : run.GetAdjustedCPUTime()) /
                 benchmark::GetTimeUnitMultiplier(run.time_unit) * 1e9;
    points_.push_back(point);
    std::string name = point.family, note;
    if (point.n > 0) name += ", n = " + run.run_name.args;
    if (double items = counter(run, items_counter))
      note = time_text(point.time / items) + " an item";
    print_row(name, point.time, counter(run, bar_counter), time_text, note);
  }
}

double fitted_exponent(const std::vector<TableReporter::Point>& points, const std::string& family) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const auto& p : points) {
    if (p.family != family) continue;
    double a = std::log(p.n), b = std::log(p.time);
    n += 1, x += a, y += b, xx += a * a, xy += a * b;
  }
  return (n * xy - x * y) / (n * xx - x * x);
}

int run(int argc, char** argv, TableReporter& table) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  // Freed memory stays with the process: first touches of pages are the system's time, not ours.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  benchmark::RunSpecifiedBenchmarks(&table);
  return 0;
}

}  // namespace bench
