#include "core/session.hpp"

#include <cstdio>
#include <cstdlib>
#include <new>

#include "core/error.hpp"
#include "core/pytree.hpp"

namespace jv {

Session::Session(MemoryHooks memory, std::unique_ptr<const Executor> executor, PrintHook print)
    : memory_(memory),
      print_(print),
      executor_(std::move(executor)),
      trees_(std::make_unique<TreeTable>()) {}
Session::~Session() {
  for (void* handle : graves_) ::operator delete(handle);
}

void Session::bury(void* handle) {
  std::lock_guard lock(graves_mutex_);
  graves_.push_back(handle);
}

// The C library's aligned allocation goes past its caches of small blocks; malloc does not. The
// byte before the block says how far malloc's pointer is behind.
static void* allocate_aligned(size_t bytes) {
  auto* p = static_cast<unsigned char*>(std::malloc(bytes + 64));
  if (!p) return nullptr;
  size_t shift = 64 - reinterpret_cast<uintptr_t>(p) % 64;
  p[shift - 1] = static_cast<unsigned char>(shift);
  return p + shift;
}

static void free_aligned(void* pointer) {
  auto* p = static_cast<unsigned char*>(pointer);
  std::free(p - p[-1]);
}

void* Session::allocate(size_t bytes) {
  void* p = memory_.alloc ? memory_.alloc(memory_.user, bytes, 64) : allocate_aligned(bytes);
  if (!p) fail(Code::out_of_memory, "out of memory: no ", bytes, " bytes for an array");
  counters.values.fetch_add(1, std::memory_order_relaxed);
  counters.bytes.fetch_add(int64_t(bytes), std::memory_order_relaxed);
  return p;
}

void Session::deallocate(void* pointer, size_t bytes) noexcept {
  counters.values.fetch_sub(1, std::memory_order_relaxed);
  counters.bytes.fetch_sub(int64_t(bytes), std::memory_order_relaxed);
  if (memory_.dealloc) memory_.dealloc(memory_.user, pointer, bytes);
  else if (!memory_.alloc) free_aligned(pointer);
}

void Session::print(const std::string& text) const {
  if (print_.print) return print_.print(print_.user, text.c_str());
  std::string line = text + '\n';
  std::fwrite(line.data(), 1, line.size(), stdout);
}

uint32_t Session::location(const char* file, int32_t line) {
  std::lock_guard lock(locations_mutex_);
  auto [it, fresh] = location_ids_.try_emplace({file, line}, uint32_t(locations_.size() + 1));
  if (fresh) locations_.push_back({file, line});
  return it->second;
}

Location Session::location(uint32_t id) const {
  std::lock_guard lock(locations_mutex_);
  return id && id <= locations_.size() ? locations_[id - 1] : Location{};
}

}  // namespace jv
