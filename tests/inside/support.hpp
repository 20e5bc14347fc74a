// What the tests of the library's inside start from.
#pragma once
#include <memory>

#include "core/jaxpr.hpp"
#include "exec/reference.hpp"
#include "primitives/registry.hpp"
#include "text/parse.hpp"
#include "text/print.hpp"

namespace inside {

inline jv::Ref<jv::Session> make_session() {
  return jv::make_ref<jv::Session>(jv::MemoryHooks{}, std::make_unique<jv::ReferenceExecutor>());
}

inline jv::JaxprRef parse(jv::Session& session, std::string_view text) {
  return jv::parse_jaxpr(session, text, jv::find_primitive);
}

}  // namespace inside
