// Programs that leave a session and come to another.
#pragma once

#include "../conformance/host.hpp"
#include "../conformance/loops.hpp"

namespace conformance {

inline std::string saved(jaxvjp_context* cx, jaxvjp_jaxpr* j, int32_t flags = JAXVJP_SAVE_RULES) {
  size_t bytes = 0;
  const void* data = jaxvjp_save(cx, j, flags, &bytes);
  return data ? std::string(static_cast<const char*>(data), bytes) : std::string();
}
inline jaxvjp_jaxpr* loaded(jaxvjp_context* cx, const std::string& data,
                            std::vector<jaxvjp_function*> functions = {}) {
  return jaxvjp_load(cx, data.data(), data.size(), functions.data(), functions.size());
}
inline jaxvjp_value* scale(jaxvjp_context* cx, double factor, jaxvjp_value* x) {
  return jaxvjp_mul(cx, jaxvjp_number(cx, factor), x);
}

}  // namespace conformance
