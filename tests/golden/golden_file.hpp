// The golden cases as tools/make_goldens.py writes them (format: README.md). Knows the library's
// dtypes, and nothing else of it.
#pragma once
#include <cstddef>
#include <istream>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "golden_spec.hpp"

namespace golden {

struct Array {
  jv::DType dtype = jv::DType::none;
  std::vector<int64_t> shape;
  std::vector<std::byte> data;  // row-major; none for float0

  size_t size() const;
};

// What the numbers of a result may differ by. Integers and booleans are always exact.
struct Tolerance {
  enum class Kind { exact, ulp, rel, norm };
  Kind kind = Kind::exact;
  double bound = 0;
};

struct Case {
  std::string file;
  size_t line = 0;  // of `case`
  std::string id;
  std::vector<std::string> tags;
  std::string jaxpr;  // f; empty when it is `op`
  Op op;
  Spec spec;
  std::vector<Array> inputs, outputs;
  Tolerance tolerance;
};

// Both throw SyntaxError with file and line.
std::vector<Case> read_cases(std::istream& in, const std::string& file);
std::vector<Case> read_directory(const std::string& directory);  // every .txt in it, by name

Array parse_array(const std::string& text);  // f32[2] 0x1p+0 -inf

}  // namespace golden
