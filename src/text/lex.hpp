// Lexer: a cursor over a text that a parser reads. Spaces and newlines mean nothing; every error
// names line and column, what was expected and what is there. Knows no grammar.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace jv {

// A name of any bytes in quotes, and whether it needs none where raw() reads it.
std::string quoted(std::string_view word);
bool is_bare(std::string_view word);

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  // The next character that is no space; 0 at the end.
  char peek() { return skip_spaces(), at(at_); }
  bool at_end() { return skip_spaces(), at_ == text_.size(); }
  // Where the next word, number or sign begins.
  size_t place() { return skip_spaces(), at_; }
  void go_to(size_t place) { at_ = place; }

  bool accept(char c);
  // `after`: the sign that has to follow the word, 0 for any.
  bool accept(std::string_view word, char after = 0);
  void expect(char c, const char* where = "");
  void expect(std::string_view word);

  // A name: letters, digits and _. Empty when there is none.
  std::string_view peek_word();
  std::string_view word(const char* expected);
  // A word that may hold hyphens: scatter-add.
  std::string_view hyphenated(const char* expected);
  // What stands before `= {`: a name of any signs, as functions may have.
  std::string_view name_before_braces(const char* expected);
  // To the next blank, comma or closing bracket.
  std::string_view peek_piece();
  // Letters, digits and the signs of a number: 1e-05, -inf, True.
  std::string_view peek_number();
  int64_t integer(const char* expected = "an integer");
  // A text between double quotes, as params.cpp prints it.
  std::string string();
  // The sign behind the next word, or 0.
  char sign_after_word();
  // Does the text go on with exactly this?
  bool at_text(std::string_view piece) { return text_.substr(place(), piece.size()) == piece; }
  // Has the line of the next word nothing before it?
  bool begins_line();

  // Text as it stands, with balanced brackets: to the closing one that is not part of it, or the
  // end. Blanks and commas belong to it unless `name=` follows them.
  std::string_view raw();
  // Over a text in brackets: from the opening one, which is next.
  void skip(char open, char close);

  // The name that a word says: what quoted() wrote, or the word.
  std::string unquoted(std::string_view word) const;
  std::string quoted_word();  // the next one

  template <class... Parts>
  [[noreturn]] void fail_at(size_t place, const Parts&... parts) const {
    fail_here(place, str(parts...));
  }
  [[noreturn]] void fail_expected(std::string_view expected);
  std::string position(size_t place) const;  // "line 3, column 7: "

 private:
  [[noreturn]] void fail_here(size_t place, std::string message) const;  // makes it one line
  char at(size_t i) const { return i < text_.size() ? text_[i] : '\0'; }
  void skip_spaces();
  std::string found();  // what is here, for a message
  bool assignment_at(size_t i) const;

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace jv
