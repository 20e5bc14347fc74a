// The parser, with any text.
#include "program.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto session = inside::make_session();
  jv::ModuleRef module;
  try {
    module =
        jv::parse_module(*session, {reinterpret_cast<const char*>(data), size}, jv::find_primitive);
  } catch (const jv::Error&) {
    return 0;
  }
  fuzz::check(*session, module);
  return 0;
}
