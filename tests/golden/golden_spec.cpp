// Reads specs and ops: a recursive descent over NAME(spec, option=value, ...).
#include "golden_spec.hpp"

#include <cctype>
#include <cstdlib>
#include <iterator>
#include <sstream>

namespace golden {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Spec spec() {
    Spec s;
    s.name = word();
    if (!take('(')) {
      if (s.name != "f") fail("`" + s.name + "` transforms nothing");
      return s;
    }
    s.inner.push_back(spec());
    while (take(',')) {
      std::string option = word();
      expect('=');
      if (!s.options.emplace(option, integers()).second) fail("`" + option + "` twice");
    }
    expect(')');
    return s;
  }

  std::vector<int64_t> integers() {
    if (!take('(')) return {integer()};
    std::vector<int64_t> list;
    while (!take(')')) {
      list.push_back(integer());
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return list;
  }

  void end() {
    skip_blanks();
    if (at_ != text_.size()) fail("more than one expression");
  }

 private:
  int64_t integer() {
    skip_blanks();
    if (text_.substr(at_, 4) == "none") {
      at_ += 4;
      return none;
    }
    const std::string rest(text_.substr(at_));
    char* after = nullptr;
    const int64_t value = std::strtoll(rest.c_str(), &after, 10);
    if (after == rest.c_str()) fail("an integer or none expected");
    at_ += after - rest.c_str();
    return value;
  }

  std::string word() {
    skip_blanks();
    const size_t start = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_'))
      ++at_;
    if (at_ == start) fail("a name expected");
    return std::string(text_.substr(start, at_ - start));
  }

  bool take(char c) {
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!take(c)) fail(std::string("`") + c + "` expected");
  }

  void skip_blanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw SyntaxError(what + " at " + std::to_string(at_) + " of \"" + std::string(text_) + "\"");
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

const std::vector<int64_t>* Spec::list(const std::string& option) const {
  const auto found = options.find(option);
  return found == options.end() ? nullptr : &found->second;
}

int64_t Spec::integer(const std::string& option, int64_t otherwise) const {
  const auto* value = list(option);
  return value ? value->at(0) : otherwise;
}

const std::string& Op::text(const std::string& param) const {
  const auto found = params.find(param);
  if (found == params.end()) throw SyntaxError(name + ": no parameter " + param);
  return found->second;
}

std::vector<int64_t> Op::list(const std::string& param) const {
  return parse_integers(text(param));
}

Spec parse_spec(std::string_view text) {
  Reader reader(text);
  Spec spec = reader.spec();
  reader.end();
  return spec;
}

std::vector<int64_t> parse_integers(std::string_view text) {
  Reader reader(text);
  std::vector<int64_t> list = reader.integers();
  reader.end();
  return list;
}

Op parse_op(std::string_view text) {
  std::istringstream words{std::string(text)};
  Op op;
  if (!(words >> op.name)) throw SyntaxError("op without a name");
  for (std::string param; words >> param;) {
    const size_t equals = param.find('=');
    if (equals == std::string::npos) throw SyntaxError("op parameter without `=`: " + param);
    op.params[param.substr(0, equals)] = param.substr(equals + 1);
  }
  return op;
}

}  // namespace golden
