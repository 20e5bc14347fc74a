#include "text/lex.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace jv {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_number(char c) { return is_word(c) || c == '+' || c == '-' || c == '.'; }

}  // namespace

void Lexer::skip_spaces() {
  while (at_ < text_.size() && is_space(text_[at_])) ++at_;
}

bool Lexer::accept(char c) {
  if (peek() != c || at_end()) return false;
  ++at_;
  return true;
}

bool Lexer::accept(std::string_view word, char after) {
  if (peek_word() != word || (after && sign_after_word() != after)) return false;
  at_ += word.size();
  return true;
}

void Lexer::expect(char c, const char* where) {
  if (!accept(c)) fail_expected(str("'", c, "'", where));
}

void Lexer::expect(std::string_view word) {
  if (!accept(word)) fail_expected(str("'", word, "'"));
}

std::string_view Lexer::peek_word() {
  skip_spaces();
  size_t end = at_;
  if (!is_digit(at(at_)))
    while (is_word(at(end))) ++end;
  return text_.substr(at_, end - at_);
}

std::string_view Lexer::word(const char* expected) {
  std::string_view w = peek_word();
  if (w.empty()) fail_expected(expected);
  at_ += w.size();
  return w;
}

std::string_view Lexer::hyphenated(const char* expected) {
  size_t begin = at_ = place();
  word(expected);
  while (at(at_) == '-' && is_word(at(at_ + 1)) && !is_digit(at(at_ + 1))) {
    ++at_;
    at_ += peek_word().size();
  }
  return text_.substr(begin, at_ - begin);
}

std::string_view Lexer::name_before_braces(const char* expected) {
  size_t begin = place(), end = std::min(text_.find_first_of("{\n", begin), text_.size());
  for (std::string_view sort : {" = rule[", " = structure["})  // which may go on in braces
    if (size_t at = text_.substr(begin, end - begin).find(sort); at != text_.npos) end = begin + at;
  auto drop_spaces = [&] {
    while (end > begin && is_space(text_[end - 1])) --end;
  };
  drop_spaces();
  if (end > begin && text_[end - 1] == '=') --end;
  else end = std::min(end, text_.find('=', begin));
  drop_spaces();
  if (end == begin) fail_expected(expected);
  at_ = end;
  return text_.substr(begin, end - begin);
}

std::string_view Lexer::peek_piece() {
  size_t begin = place(), end = std::min(text_.find_first_of(" \n\t\r,)]}", begin), text_.size());
  return text_.substr(begin, end - begin);
}

std::string_view Lexer::peek_number() {
  skip_spaces();
  size_t end = at_;
  while (is_number(at(end))) ++end;
  return text_.substr(at_, end - at_);
}

int64_t Lexer::integer(const char* expected) {
  std::string_view digits = peek_number();
  int64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range)
    fail_at(at_, "an integer is too large: ", digits.substr(0, 40));
  if (error != std::errc()) fail_expected(expected);
  at_ += size_t(end - digits.data());
  return value;
}

std::string Lexer::string() {
  size_t begin = place();
  expect('"');
  std::string text;
  for (; at(at_) != '"'; ++at_) {
    if (at_ == text_.size()) fail_at(begin, "'\"' is not closed");
    if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
      char c = text_[++at_];
      text += c == 'n' ? '\n' : c;
    } else {
      text += text_[at_];
    }
  }
  ++at_;
  return text;
}

char Lexer::sign_after_word() {
  std::string_view word = peek_word();
  size_t i = at_ + word.size();
  while (is_space(at(i))) ++i;
  return at(i);
}

bool Lexer::begins_line() {
  size_t i = place();
  while (i > 0 && is_space(text_[i - 1]))
    if (text_[--i] == '\n') return true;
  return i == 0;
}

// Does `name=` come next?
bool Lexer::assignment_at(size_t i) const {
  if (at(i) == ' ' && !is_space(at(i + 1))) ++i;
  size_t begin = i;
  while (is_word(at(i))) ++i;
  return i > begin && at(i) == '=';
}

std::string_view Lexer::raw() {
  size_t begin = place(), depth = 0, end = begin;
  for (size_t i = begin; i < text_.size(); ++i) {
    char c = text_[i];
    if (depth == 0 && (is_space(c) || c == ',') && assignment_at(i + 1)) break;
    if (is_space(c)) continue;
    if (depth == 0 && (c == ']' || c == ')' || c == '}')) break;
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    end = i + 1;
  }
  at_ = end;
  return text_.substr(begin, end - begin);
}

void Lexer::skip(char open, char close) {
  size_t begin = place(), depth = 0;
  expect(open);
  for (++depth; depth > 0; ++at_) {
    if (at_ == text_.size()) fail_at(begin, "'", open, "' is not closed");
    if (text_[at_] == '"') string(), --at_;
    if (text_[at_] == open) ++depth;
    if (text_[at_] == close) --depth;
  }
}

std::string quoted(std::string_view word) {
  constexpr char digits[] = "0123456789abcdef";
  std::string s = "'";
  for (unsigned char c : word) {
    if (is_word(char(c)) || c == ' ' || c == '.' || c >= 0x80) s += char(c);
    else s += "\\x", s += digits[c >> 4], s += digits[c & 15];
  }
  return s + "'";
}

bool is_bare(std::string_view word) {
  if (word.empty() || word[0] == '\'' || word[0] == ' ' || word.find('"') != word.npos)
    return false;
  for (unsigned char c : word)
    if (c < 0x20 || c == 0x7f) return false;
  std::string text = std::string(word) + "\n]";
  return Lexer(text).raw() == word;
}

std::string Lexer::unquoted(std::string_view word) const {
  if (word.find('\0') != word.npos) fail_at(at_, "a name holds a zero byte");
  if (word.size() < 2 || word.front() != '\'' || word.back() != '\'') return std::string(word);
  std::string s;
  for (size_t i = 1; i + 1 < word.size(); ++i) {
    if (word[i] != '\\') {
      s += word[i];
      continue;
    }
    unsigned value = 0;
    std::string_view digits = word.substr(std::min(i + 2, word.size()), 2);
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (word[i + 1] != 'x' || error != std::errc() || end != digits.data() + 2 || value == 0)
      fail_at(at_, "no such byte: ", word.substr(i, 4));
    s += char(value);
    i += 3;
  }
  return s;
}

std::string Lexer::quoted_word() {
  size_t begin = place(), end = begin + 1;
  expect('\'');
  while (end < text_.size() && text_[end] != '\'') ++end;
  if (end == text_.size()) fail_at(begin, "a quote is not closed");
  at_ = end + 1;
  return unquoted(text_.substr(begin, at_ - begin));
}

void Lexer::fail_expected(std::string_view expected) {
  fail_at(place(), "expected ", expected, ", got ", found());
}

std::string Lexer::found() {
  if (at_end()) return "the end of the text";
  std::string_view piece = peek_number().substr(0, 30);
  if (!piece.empty()) return str("'", piece, "'");
  unsigned char c = text_[at_];
  if (c >= 0x20 && c < 0x7f) return str("'", char(c), "'");
  return str("a byte ", int(c));
}

void Lexer::fail_here(size_t place, std::string message) const {
  for (char& c : message)
    if (c < 0x20 || c > 0x7e) c = is_space(c) ? ' ' : '?';
  jv::fail(Code::parse, position(place), message);
}

std::string Lexer::position(size_t place) const {
  std::string_view before = text_.substr(0, place);
  size_t line = size_t(std::count(before.begin(), before.end(), '\n')) + 1;
  size_t last = before.rfind('\n');
  return str("line ", line, ", column ", last == before.npos ? place + 1 : place - last, ": ");
}

}  // namespace jv
