// The table that every benchmark prints: what was measured, its value, the bar it is held against,
// and their ratio. Above 1 the bar is missed. Nothing is asserted.
#pragma once
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace bench {

// "1.234 us": a time that is given in nanoseconds.
std::string time_text(double nanoseconds);

void print_header(const char* title);
// `bar` 0: none. `text` formats value and bar.
void print_row(const std::string& what, double value, double bar, std::string (*text)(double),
               const std::string& note = "");

// Counters that the table understands, in nanoseconds and counts.
inline constexpr const char* bar_counter = "bar";
inline constexpr const char* items_counter = "items";  // per iteration: a note says time / items

// A row for each benchmark. The time is the thread's own, so that a busy machine disturbs little;
// with repetitions it is their median.
class TableReporter : public benchmark::BenchmarkReporter {
 public:
  explicit TableReporter(const char* title) : title_(title) {}
  bool ReportContext(const Context&) override;
  void ReportRuns(const std::vector<Run>& runs) override;

  struct Point {
    std::string family;  // name without arguments
    double n, time;      // first argument, nanoseconds
  };
  const std::vector<Point>& points() const { return points_; }

 private:
  const char* title_;
  std::vector<Point> points_;
};

// The slope of log(time) over log(n) among the rows of a family.
double fitted_exponent(const std::vector<TableReporter::Point>& points, const std::string& family);

// Runs what is registered, with the arguments of Google Benchmark. 0 on success.
int run(int argc, char** argv, TableReporter& table);

}  // namespace bench
