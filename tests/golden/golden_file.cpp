// Reads golden files line by line: the first word says what a line is.
#include "golden_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <type_traits>

namespace golden {
namespace {

jv::DType dtype_named(const std::string& name) {
  for (const auto& row : jv::dtype_table)
    if (row.name == name) return row.dtype;
  throw SyntaxError("no dtype `" + name + "`");
}

double parse_double(const std::string& word) {
  char* end = nullptr;
  const double x = std::strtod(word.c_str(), &end);
  if (word.empty() || *end) throw SyntaxError("not a number: " + word);
  return x;
}

template <class T>
T parse_integer(const std::string& word, int base = 10) {
  char* end = nullptr;
  errno = 0;
  T x;
  bool fits;
  if constexpr (std::is_signed_v<T>) {
    const long long wide = std::strtoll(word.c_str(), &end, base);
    x = static_cast<T>(wide);
    fits = x == wide;
  } else {
    const unsigned long long wide = std::strtoull(word.c_str(), &end, base);
    x = static_cast<T>(wide);
    fits = x == wide && word[0] != '-';
  }
  if (word.empty() || *end || errno || !fits)
    throw SyntaxError("not an integer of this type: " + word);
  return x;
}

template <class T>
T parse_element(const std::string& word) {
  if constexpr (std::is_same_v<T, jv::Half> || std::is_same_v<T, jv::BFloat16>) {
    T x;
    x.bits = parse_integer<uint16_t>(word, 16);
    return x;
  } else if constexpr (std::is_same_v<T, float>) {
    const double x = parse_double(word);
    const float narrow = static_cast<float>(x);
    if (x == x && narrow != x) throw SyntaxError("not a float: " + word);
    return narrow;
  } else if constexpr (std::is_same_v<T, double>) {
    return parse_double(word);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (word != "0" && word != "1") throw SyntaxError("not a bool: " + word);
    return word == "1";
  } else {
    return parse_integer<T>(word);
  }
}

std::vector<int64_t> parse_shape(const std::string& text) {  // 2,3
  std::vector<int64_t> shape;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, ',');) {
    shape.push_back(parse_integer<int64_t>(word));
    if (shape.back() < 0) throw SyntaxError("a negative size");
  }
  return shape;
}

Tolerance parse_tolerance(const std::string& text) {
  std::istringstream in(text);
  std::string kind, bound;
  in >> kind >> bound;
  if (kind == "exact" && bound.empty()) return {};
  const double number = parse_double(bound);
  if (kind == "ulp") return {Tolerance::Kind::ulp, number};
  if (kind == "rel") return {Tolerance::Kind::rel, number};
  if (kind == "norm") return {Tolerance::Kind::norm, number};
  throw SyntaxError("no tolerance `" + text + "`");
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

class FileReader {
 public:
  FileReader(std::istream& in, const std::string& file) : in_(in), file_(file) {}

  std::vector<Case> read() try {
    for (std::string line; std::getline(in_, line);) {
      ++line_;
      if (!line.empty() && line[0] != '#') read_line(line);
    }
    if (open_) throw SyntaxError("a case without `end`");
    return std::move(cases_);
  } catch (const SyntaxError& error) {
    throw SyntaxError(file_ + ":" + std::to_string(line_) + ": " + error.what());
  }

 private:
  void read_line(const std::string& line) {
    const size_t blank = line.find(' ');
    const std::string key = line.substr(0, blank),
                      rest = blank == std::string::npos ? "" : line.substr(blank + 1);
    if (key == "case") return begin(rest);
    if (!open_) throw SyntaxError("`" + key + "` outside a case");
    if (key == "end") return end();
    Case& c = cases_.back();
    if (key == "tags") c.tags = words_of(rest);
    else if (key == "jaxpr") {
      if (!rest.empty()) throw SyntaxError("a jaxpr begins on the next line");
    } else if (key == "|") c.jaxpr += rest + "\n";
    else if (key == "op") c.op = parse_op(rest);
    else if (key == "spec") c.spec = parse_spec(rest);
    else if (key == "in") c.inputs.push_back(parse_array(rest));
    else if (key == "out") c.outputs.push_back(parse_array(rest));
    else if (key == "tolerance") c.tolerance = parse_tolerance(rest);
    else throw SyntaxError("no line begins with `" + key + "`");
    seen_.push_back(key);
  }

  void begin(const std::string& id) {
    if (open_) throw SyntaxError("a case in a case");
    if (id.empty()) throw SyntaxError("a case without an id");
    open_ = true;
    seen_.clear();
    Case& c = cases_.emplace_back();
    c.file = file_;
    c.line = line_;
    c.id = id;
  }

  void end() {
    const auto count = [&](const char* key) { return std::count(seen_.begin(), seen_.end(), key); };
    if (count("jaxpr") + count("op") != 1) throw SyntaxError("a case has one jaxpr or one op");
    if (count("jaxpr") && !count("|")) throw SyntaxError("an empty jaxpr");
    if (count("spec") != 1 || count("tolerance") != 1)
      throw SyntaxError("a case has one spec and one tolerance");
    if (!count("out")) throw SyntaxError("a case without results");
    open_ = false;
  }

  std::istream& in_;
  std::string file_;
  size_t line_ = 0;
  bool open_ = false;
  std::vector<std::string> seen_;  // the first words of the case's lines
  std::vector<Case> cases_;
};

}  // namespace

size_t Array::size() const {
  size_t n = 1;
  for (int64_t extent : shape) n *= static_cast<size_t>(extent);
  return n;
}

Array parse_array(const std::string& text) {
  std::istringstream in(text);
  std::string type;
  in >> type;
  const size_t open = type.find('[');
  if (open == std::string::npos || type.back() != ']') throw SyntaxError("not a type: " + type);
  Array a{dtype_named(type.substr(0, open)),
          parse_shape(type.substr(open + 1, type.size() - open - 2)),
          {}};
  if (a.dtype != jv::DType::float0) {
    jv::visit_dtype(a.dtype, [&](auto t) {
      using T = typename decltype(t)::type;
      for (std::string word; in >> word;) {
        const T x = parse_element<T>(word);
        const auto* bytes = reinterpret_cast<const std::byte*>(&x);
        a.data.insert(a.data.end(), bytes, bytes + sizeof x);
      }
    });
  }
  if (a.data.size() != a.size() * jv::size_of(a.dtype))
    throw SyntaxError("the number of elements is not that of " + type);
  return a;
}

std::vector<Case> read_cases(std::istream& in, const std::string& file) {
  return FileReader(in, file).read();
}

std::vector<Case> read_directory(const std::string& directory) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Case> all;
  for (const auto& path : paths) {
    std::ifstream in(path);
    for (Case& c : read_cases(in, path.filename().string())) all.push_back(std::move(c));
  }
  return all;
}

}  // namespace golden
