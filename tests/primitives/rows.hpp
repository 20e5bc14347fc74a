// The table that the laws run over: operands and parameters for every primitive. A primitive
// without a row fails the suite.
#pragma once
#include <string>
#include <vector>

#include "core/primitive.hpp"

namespace jv::laws {

// Where an operand's numbers come from.
enum class Domain {
  wide,       // -3 ... 3; integers -7 ... 7
  positive,   // 0.3 ... 3; integers 1 ... 7
  unit,       // -0.9 ... 0.9
  nonzero,    // 0.5 ... 3, either sign
  few,        // -1, 0, 1, 2: many ties
  exponents,  // integers 0 ... 4, floats -2 ... 2
  shifts,     // 0 ... 9
  bits,       // all of them
  index,      // -1 ... 3, i32, whatever the row's dtype: a choice
  mask,       // booleans, whatever the row's dtype
  matrix,     // well conditioned
};

struct Operand {
  Domain domain;
  std::vector<int64_t> shape;
};

struct Row {
  const char* primitive;
  const char* label;   // what is particular to it; no two rows of a primitive have the same
  const char* dtypes;  // "f64 f32 ..."
  std::vector<Operand> operands;
  const char* params = "";  // as printed
  double ulps = 0;          // how far results may be from the reference, rounded
  bool exact_batch = true;  // vmap gives the bits of a loop
};

const std::vector<Row>& rows();

}  // namespace jv::laws
