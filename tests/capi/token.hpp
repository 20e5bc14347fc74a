// Something to destroy, for tests that count.
#pragma once

#include "../conformance/higher_order.hpp"

namespace conformance {

// A pointer whose destruction is counted. destroyed must be 1 in the end, and 0 while it is held.
struct Token {
  int destroyed = 0;
  static void destroy(void* token) { static_cast<Token*>(token)->destroyed++; }
};

// A context as most programs make it: what a scope closes over is freed, not kept for checks.
inline jaxvjp_context* unchecked() { return jaxvjp_context_new(nullptr); }

}  // namespace conformance
