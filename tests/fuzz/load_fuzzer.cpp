// The loader, with any bytes between a head and a checksum that are right.
#include "program.hpp"
#include "text/encode.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(jv::bytes::magic);
  bytes += char(jv::bytes::version);
  bytes.append(reinterpret_cast<const char*>(data), size);
  uint64_t sum = jv::bytes::checksum(bytes);
  for (int i = 0; i < 8; ++i) bytes += char(sum >> 8 * i);
  auto session = inside::make_session();
  jv::ModuleRef module;
  try {
    module = jv::decode(*session, bytes, jv::find_primitive);
  } catch (const jv::Error&) {
    return 0;
  }
  fuzz::check(*session, module);
  return 0;
}
