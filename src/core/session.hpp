// Session: what contexts of one family share: memory, counters, intern tables, and the executor
// that runs jaxprs.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "core/array.hpp"
#include "core/params.hpp"

namespace jv {

class Jaxpr;
class Context;
class TreeTable;

// Runs a jaxpr on numbers. Eager calls and jit go through it; who makes a session installs it.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void run(Context& cx, const Jaxpr& jaxpr, std::span<const Array> in,
                   Small<Array, 4>& out) const = 0;
};

struct MemoryHooks {
  void* (*alloc)(void* user, size_t size, size_t align) = nullptr;  // null: the C library's
  void (*dealloc)(void* user, void* pointer, size_t size) = nullptr;
  void* user = nullptr;
};

// Where debug_print goes; null: standard output, a line each.
struct PrintHook {
  void (*print)(void* user, const char* text) = nullptr;
  void* user = nullptr;
};

struct Location {
  std::string file;
  int32_t line = 0;
};

class Session : public RefCounted {
 public:
  explicit Session(MemoryHooks memory, std::unique_ptr<const Executor> executor,
                   PrintHook print = {});
  ~Session() override;

  Aval aval(DType dtype, std::span<const int64_t> shape) { return avals_.find(dtype, shape); }
  Aval with_dtype(Aval aval, DType dtype) {
    return aval->dtype == dtype ? aval : avals_.find(dtype, aval->shape);
  }
  Aval tangent(Aval primal) { return with_dtype(primal, tangent_dtype(primal->dtype)); }

  void* allocate(size_t bytes);  // aligned to 64; OUT_OF_MEMORY when there is none
  void deallocate(void* pointer, size_t bytes) noexcept;

  // Source locations are numbered from 1; 0 is unknown.
  uint32_t location(const char* file, int32_t line);
  Location location(uint32_t id) const;

  void print(const std::string& text) const;

  const Executor& executor() const { return *executor_; }
  ParamsTable& params() { return params_; }
  TreeTable& trees() { return *trees_; }

  struct Counters {
    std::atomic<int64_t> values{0}, bytes{0}, traces{0}, compiles{0}, callbacks{0};
  } counters;
  // Memory of closed handles, kept so that they are recognised (JAXVJP_CHECK_HANDLES); freed with
  // the session.
  void bury(void* handle);
  std::atomic<uint64_t> serial{0};  // names what must not be named by its address

 private:
  MemoryHooks memory_;
  PrintHook print_;
  std::unique_ptr<const Executor> executor_;
  AvalTable avals_;
  ParamsTable params_;
  std::unique_ptr<TreeTable> trees_;
  std::mutex graves_mutex_;
  std::vector<void*> graves_;
  mutable std::mutex locations_mutex_;
  std::map<std::pair<std::string, int32_t>, uint32_t> location_ids_;
  std::vector<Location> locations_;
};

}  // namespace jv
