// Golden text: files of cases, each a source and what a transformation makes of it, as printed.
//
//   # what the file says, to its first blank line
//
//   case NAME
//   | { lambda ; a:f64[]. let ...      the source, or `program NAME`: one that text cannot say
//   of 0 2                             optional words with numbers, for the transformation
//   => label
//   | { lambda ; ...                   what it gives
//
// JAXVJP_UPDATE_GOLDEN=1 in the environment: the tests write the results instead of comparing them.
#pragma once
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace inside {

struct GoldenCase {
  std::string id, source, program;
  std::map<std::string, std::vector<size_t>> options;
  std::string head;      // its lines above the results, as they stand
  std::string expected;  // the results' lines

  // Is i among the numbers of the option? `otherwise` where it is not given.
  bool option(const std::string& name, size_t i, bool otherwise) const {
    auto it = options.find(name);
    if (it == options.end()) return otherwise;
    for (size_t n : it->second)
      if (n == i) return true;
    return false;
  }
};

class GoldenFile {
 public:
  explicit GoldenFile(std::string path) : path_(std::move(path)) {
    std::ifstream in(path_);
    if (!in) throw std::runtime_error("cannot open " + path_);
    for (std::string line; std::getline(in, line);) read_line(line);
  }

  // The file with `results` in the place of what its cases expect.
  void write(const std::vector<std::string>& results) const {
    std::ofstream out(path_);
    out << header_;
    for (size_t i = 0; i < cases.size(); ++i) out << "\n" << cases[i].head << results[i];
    if (!out.flush()) throw std::runtime_error("cannot write " + path_);
  }

  std::vector<GoldenCase> cases;

 private:
  void read_line(const std::string& line) {
    if (line.starts_with("case ")) {
      cases.emplace_back().id = line.substr(5);
    } else if (line.empty() || cases.empty()) {
      if (!line.empty()) header_ += line + "\n";
      return;
    }
    GoldenCase& c = cases.back();
    if (line.starts_with("=>") || !c.expected.empty()) {
      c.expected += line + "\n";
      return;
    }
    c.head += line + "\n";
    if (line.starts_with("| ")) c.source += line.substr(2) + "\n";
    else read_option(c, line);
  }

  static void read_option(GoldenCase& c, const std::string& line) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (name == "case") return;
    if (name == "program") {
      words >> c.program;
      return;
    }
    for (size_t n; words >> n;) c.options[name].push_back(n);
    if (!words.eof()) throw std::runtime_error("not a line of golden text: " + line);
  }

  std::string path_, header_;
};

}  // namespace inside
