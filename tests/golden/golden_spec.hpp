// What is made of a case's function before it is called: grad(f, argnums=(0,1)), vmap(jit(f),
// in_axes=(0,none)).
#pragma once
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace golden {

constexpr int64_t none = INT64_MIN;  // the word none: JAXVJP_AXIS_NONE in in_axes

// f, or a transformation of `inner`. An option that is one integer is a list of one.
struct Spec {
  std::string name;
  std::vector<Spec> inner;  // empty for f, else one
  std::map<std::string, std::vector<int64_t>> options;

  bool is_f() const { return inner.empty(); }
  const Spec& of() const { return inner[0]; }
  const std::vector<int64_t>* list(const std::string& option) const;
  int64_t integer(const std::string& option, int64_t otherwise) const;
};

// A function of the library instead of a jaxpr: softmax axis=1. Values stay text until asked for.
struct Op {
  std::string name;
  std::map<std::string, std::string> params;

  const std::string& text(const std::string& param) const;
  std::vector<int64_t> list(const std::string& param) const;
  int64_t integer(const std::string& param) const { return list(param).at(0); }
};

struct SyntaxError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Spec parse_spec(std::string_view text);
Op parse_op(std::string_view text);
std::vector<int64_t> parse_integers(std::string_view text);  // 3, none, (), (0,), (0,none)

}  // namespace golden
