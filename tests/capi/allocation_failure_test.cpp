// Memory runs out at the n-th allocation, for every n, of small programs: each run either succeeds
// or answers OUT_OF_MEMORY, leaves nothing behind, and the context works afterwards.
//
// This binary replaces operator new, which the shared library picks up too, and hands the library
// an `alloc` hook; both draw on one countdown. BLAS and LAPACK allocate by malloc and are not used
// here.

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "jaxvjp/jaxvjp.h"

namespace {

// The allocation that fails (1 is the next one); 0: none does.
std::atomic<long> countdown{0};
std::atomic<bool> fired{false};
// Blocks that operator new handed out and delete did not take back.
std::atomic<long> live_blocks{0};

bool fails_now() {
  if (countdown.load(std::memory_order_relaxed) == 0) return false;
  if (countdown.fetch_sub(1, std::memory_order_relaxed) != 1) return false;
  fired = true;
  return true;
}

// nullptr when it is this allocation's turn to fail.
void* counted_allocation(std::size_t size, std::size_t align) {
  if (fails_now()) return nullptr;
  if (size == 0) size = 1;
  void* block = align <= alignof(std::max_align_t)
                    ? std::malloc(size)
                    : std::aligned_alloc(align, (size + align - 1) / align * align);
  if (block) live_blocks.fetch_add(1, std::memory_order_relaxed);
  return block;
}

void* allocation_or_throw(std::size_t size, std::size_t align) {
  if (void* block = counted_allocation(size, align)) return block;
  throw std::bad_alloc();
}

void deallocate(void* block) noexcept {
  if (!block) return;
  live_blocks.fetch_sub(1, std::memory_order_relaxed);
  std::free(block);
}

constexpr std::size_t natural = alignof(std::max_align_t);
std::size_t of(std::align_val_t align) { return static_cast<std::size_t>(align); }

}  // namespace

void* operator new(std::size_t n) { return allocation_or_throw(n, natural); }
void* operator new[](std::size_t n) { return allocation_or_throw(n, natural); }
void* operator new(std::size_t n, std::align_val_t a) { return allocation_or_throw(n, of(a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return allocation_or_throw(n, of(a)); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  return counted_allocation(n, natural);
}
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
  return counted_allocation(n, natural);
}
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return counted_allocation(n, of(a));
}
void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return counted_allocation(n, of(a));
}
void operator delete(void* p) noexcept { deallocate(p); }
void operator delete[](void* p) noexcept { deallocate(p); }
void operator delete(void* p, std::size_t) noexcept { deallocate(p); }
void operator delete[](void* p, std::size_t) noexcept { deallocate(p); }
void operator delete(void* p, std::align_val_t) noexcept { deallocate(p); }
void operator delete[](void* p, std::align_val_t) noexcept { deallocate(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { deallocate(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { deallocate(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { deallocate(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { deallocate(p); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { deallocate(p); }
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { deallocate(p); }

namespace {

// ---------------------------------------------------------------------------------------- what the
// library is given

struct Counts {
  int created = 0, destroyed = 0;  // (user, destroy) pairs given away, and come back
  long live_bytes = 0;             // what the alloc hook handed out
};

struct Owned {
  Counts* counts;
};

// A pair that the library consumes, in memory that the countdown does not touch.
Owned* owned(Counts* counts) {
  Owned* user = static_cast<Owned*>(std::malloc(sizeof(Owned)));
  user->counts = counts;
  counts->created++;
  return user;
}

void destroy_owned(void* user) {
  static_cast<Owned*>(user)->counts->destroyed++;
  std::free(user);
}

void* hook_alloc(void* user, size_t size, size_t align) {
  if (fails_now()) return nullptr;
  void* block = nullptr;
  if (posix_memalign(&block, align < sizeof(void*) ? sizeof(void*) : align, size ? size : 1))
    return nullptr;
  static_cast<Counts*>(user)->live_bytes += static_cast<long>(size);
  return block;
}

void hook_dealloc(void* user, void* pointer, size_t size) {
  static_cast<Counts*>(user)->live_bytes -= static_cast<long>(size);
  std::free(pointer);
}

// ----------------------------------------------------------------------------------------------------
// small programs

// f = x^2 with the rule 10 x ct: what it gives cannot be mistaken for 2 x.
int32_t square_fwd(jaxvjp_context* cx, void*, jaxvjp_value* const* args, size_t, jaxvjp_value** out,
                   jaxvjp_value** residuals) {
  *out = jaxvjp_mul(cx, args[0], args[0]);
  jaxvjp_value* items[2] = {args[0], jaxvjp_number(cx, 10)};
  const char* keys[2] = {"x", "ten"};
  *residuals = jaxvjp_dict(cx, keys, items, 2);
  return 0;
}

int32_t square_bwd(jaxvjp_context* cx, void*, jaxvjp_value* residuals, jaxvjp_value* ct,
                   jaxvjp_value** arg_cts, size_t) {
  jaxvjp_value* slope =
      jaxvjp_mul(cx, jaxvjp_lookup(cx, residuals, "x"), jaxvjp_lookup(cx, residuals, "ten"));
  arg_cts[0] = jaxvjp_mul(cx, slope, ct);
  return 0;
}

// Its residual is an opaque pointer that the library destroys.
int32_t opaque_fwd(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t,
                   jaxvjp_value** out, jaxvjp_value** residuals) {
  *out = jaxvjp_sin(cx, args[0]);
  Counts* counts = static_cast<Owned*>(user)->counts;
  jaxvjp_value* items[2] = {args[0], jaxvjp_opaque(cx, owned(counts), destroy_owned)};
  *residuals = jaxvjp_tuple(cx, items, 2);
  return 0;
}

int32_t opaque_bwd(jaxvjp_context* cx, void*, jaxvjp_value* residuals, jaxvjp_value* ct,
                   jaxvjp_value** arg_cts, size_t) {
  jaxvjp_value* x = jaxvjp_get(cx, residuals, 0);
  arg_cts[0] = jaxvjp_mul(cx, jaxvjp_mul(cx, jaxvjp_number(cx, 10), x), ct);
  return 0;
}

int32_t sum_of(jaxvjp_context* cx, void* f, jaxvjp_value* const* args, size_t, jaxvjp_value** out) {
  jaxvjp_value* y = jaxvjp_call1(cx, static_cast<jaxvjp_function*>(f), args[0]);
  *out = jaxvjp_sum(cx, y, nullptr, 0);
  return 0;
}

jaxvjp_function* rule(jaxvjp_context* cx, Counts* counts) {
  return jaxvjp_custom_vjp(cx, "square", square_fwd, square_bwd, owned(counts), destroy_owned,
                           nullptr);
}

jaxvjp_value* vector(jaxvjp_context* cx) {
  const int64_t shape[1] = {3};
  const double data[3] = {1, 2, 3};
  return jaxvjp_array(cx, JAXVJP_F64, shape, 1, data);
}

// The last element, NaN on failure.
double last(jaxvjp_context* cx, jaxvjp_value* v) {
  double data[3];
  return jaxvjp_read(cx, v, data, sizeof data) ? NAN : data[2];
}

double eager_grad(jaxvjp_context* cx, Counts* counts) {
  jaxvjp_function* slope = jaxvjp_grad(cx, rule(cx, counts), nullptr);
  return jaxvjp_item(cx, jaxvjp_call1(cx, slope, jaxvjp_f64(cx, 3)));
}

double second_order(jaxvjp_context* cx, Counts* counts) {
  jaxvjp_function* slope = jaxvjp_grad(cx, rule(cx, counts), nullptr);
  jaxvjp_function* curvature = jaxvjp_grad(cx, slope, nullptr);
  return jaxvjp_item(cx, jaxvjp_call1(cx, curvature, jaxvjp_f64(cx, 3)));
}

double jit_of_grad_of_sum(jaxvjp_context* cx, Counts* counts) {
  jaxvjp_function* loss = jaxvjp_function_new(cx, "loss", sum_of, rule(cx, counts), nullptr);
  jaxvjp_function* slope = jaxvjp_jit(cx, jaxvjp_grad(cx, loss, nullptr), nullptr);
  jaxvjp_call1(cx, slope, vector(cx));                   // compiles
  return last(cx, jaxvjp_call1(cx, slope, vector(cx)));  // from the cache
}

double vmap_of_grad(jaxvjp_context* cx, Counts* counts) {
  jaxvjp_function* slope = jaxvjp_grad(cx, rule(cx, counts), nullptr);
  return last(cx, jaxvjp_call1(cx, jaxvjp_vmap(cx, slope, nullptr), vector(cx)));
}

double opaque_residual(jaxvjp_context* cx, Counts* counts) {
  jaxvjp_function* f = jaxvjp_custom_vjp(cx, "opaque", opaque_fwd, opaque_bwd, owned(counts),
                                         destroy_owned, nullptr);
  jaxvjp_function* pullback = nullptr;
  jaxvjp_value* x = jaxvjp_f64(cx, 3);
  jaxvjp_vjp(cx, f, &x, 1, &pullback);
  jaxvjp_value* cts = jaxvjp_call1(cx, pullback, jaxvjp_f64(cx, 1));
  return jaxvjp_item(cx, jaxvjp_get(cx, cts, 0));
}

double scopes_and_handles(jaxvjp_context* cx, Counts*) {
  jaxvjp_value* held = nullptr;
  for (int i = 0; i < 3; i++) {
    size_t scope = jaxvjp_scope_open(cx);
    jaxvjp_value* next = jaxvjp_add(cx, held ? held : jaxvjp_f64(cx, 0), jaxvjp_number(cx, 10));
    jaxvjp_update(&held, next);
    jaxvjp_scope_close(cx, scope, nullptr);
  }
  jaxvjp_value* result = jaxvjp_give(cx, jaxvjp_retain(held));
  double value = jaxvjp_item(cx, result);
  jaxvjp_release(held);
  return value;
}

double forked_context(jaxvjp_context* cx, Counts* counts) {
  jaxvjp_context* fork = jaxvjp_context_fork(cx);
  if (!fork) return NAN;
  double value = eager_grad(fork, counts);
  if (int32_t code = jaxvjp_failed(fork)) jaxvjp_fail(cx, code, jaxvjp_error_text(fork));
  jaxvjp_context_free(fork);
  return value;
}

double printed_program(jaxvjp_context* cx, Counts* counts) {
  jaxvjp_value* spec = jaxvjp_spec(cx, JAXVJP_F64, nullptr, 0);
  jaxvjp_function* slope = jaxvjp_grad(cx, rule(cx, counts), nullptr);
  jaxvjp_jaxpr* program = jaxvjp_simplify(cx, jaxvjp_make_jaxpr(cx, slope, &spec, 1));
  const char* text = jaxvjp_jaxpr_text(cx, program);
  jaxvjp_function* again = jaxvjp_function_of(cx, jaxvjp_parse(cx, text ? text : ""));
  return jaxvjp_item(cx, jaxvjp_get(cx, jaxvjp_call1(cx, again, jaxvjp_f64(cx, 3)), 0));
}

double saved_program(jaxvjp_context* cx, Counts* counts) {
  jaxvjp_value* spec = jaxvjp_spec(cx, JAXVJP_F64, nullptr, 0);
  jaxvjp_jaxpr* program = jaxvjp_make_jaxpr(cx, rule(cx, counts), &spec, 1);
  size_t bytes = 0;
  const void* data = jaxvjp_save(cx, program, JAXVJP_SAVE_RULES, &bytes);
  jaxvjp_function* again = jaxvjp_function_of(cx, jaxvjp_load(cx, data, bytes, nullptr, 0));
  return jaxvjp_item(cx, jaxvjp_call1(cx, jaxvjp_grad(cx, again, nullptr), jaxvjp_f64(cx, 3)));
}

// An error with location, notes and text, which is then taken, carried and thrown away.
double error_text(jaxvjp_context* cx, Counts* counts) {
  const int64_t shape[1] = {4};
  const double data[4] = {1, 2, 3, 4};
  jaxvjp_set_location(cx, "model.c", 42);
  jaxvjp_add(cx, vector(cx), jaxvjp_array(cx, JAXVJP_F64, shape, 1, data));
  if (jaxvjp_failed(cx) != JAXVJP_SHAPE) return NAN;
  jaxvjp_error* error = jaxvjp_take_error(cx);
  const bool told = jaxvjp_error_code(error) == JAXVJP_SHAPE;
  jaxvjp_error_free(error);
  static const char tag = 0;
  error = jaxvjp_error_new(JAXVJP_CALLBACK, "carried", &tag, owned(counts), destroy_owned);
  if (!error) return jaxvjp_fail(cx, JAXVJP_OUT_OF_MEMORY, "no memory for an error"), NAN;
  jaxvjp_fail_with(cx, error);
  if (jaxvjp_failed(cx) != JAXVJP_CALLBACK) return NAN;
  const std::string_view text = jaxvjp_error_text(cx);
  const bool carried = text.find("carried") != text.npos;
  jaxvjp_clear_error(cx);
  return told && carried ? 30 : -1;
}

struct Program {
  const char* name;
  double (*run)(jaxvjp_context*, Counts*);
  double expected;
};

const Program programs[] = {
    {"eager_grad", eager_grad, 30},
    {"second_order", second_order, 10},
    {"jit_of_grad_of_sum", jit_of_grad_of_sum, 30},
    {"vmap_of_grad", vmap_of_grad, 30},
    {"opaque_residual", opaque_residual, 30},
    {"scopes_and_handles", scopes_and_handles, 30},
    {"forked_context", forked_context, 30},
    {"printed_program", printed_program, 30},
    {"saved_program", saved_program, 30},
    {"error_text", error_text, 30},
};

// ---------------------------------------------------------------------------------------------------------------
// law

struct Outcome {
  bool fired = false;       // did an allocation fail at all?
  bool no_context = false;  // not even a context could be made
  int32_t code = 0;         // of the failed run
  bool text = true;         // the failure had a text
  double value = 0, again = 0;
  int32_t code_again = 0;
  Counts counts;
};

// Runs the program with its n-th allocation failing (0: none), then once more with memory back.
Outcome run_with_failure_at(const Program& program, long n) {
  Outcome o;
  jaxvjp_context_options options = {};
  options.struct_size = sizeof options;
  options.alloc = hook_alloc;
  options.dealloc = hook_dealloc;
  options.user = &o.counts;
  fired = false;
  countdown = n;
  jaxvjp_context* cx = jaxvjp_context_new(&options);
  if (cx) {
    o.value = program.run(cx, &o.counts);
    countdown = 0;
    o.code = jaxvjp_failed(cx);
    const char* text = jaxvjp_error_text(cx);
    o.text = text && (o.code == 0 || *text != '\0');
    jaxvjp_clear_error(cx);
    o.again = program.run(cx, &o.counts);
    o.code_again = jaxvjp_failed(cx);
    jaxvjp_context_free(cx);
  } else {
    o.no_context = true;
  }
  countdown = 0;
  o.fired = fired;
  return o;
}

class AllocationFailure : public testing::TestWithParam<Program> {};

TEST_P(AllocationFailure, at_every_allocation) {
  const Program& program = GetParam();
  // Once in peace: what a process sets up once is not charged to the runs below.
  Outcome peaceful = run_with_failure_at(program, 0);
  ASSERT_EQ(peaceful.code, 0);
  ASSERT_DOUBLE_EQ(peaceful.value, program.expected);
  long failures = 0;
  for (long n = 1;; n++) {
    const long blocks = live_blocks;
    const Outcome o = run_with_failure_at(program, n);
    const long left = live_blocks - blocks;
    ASSERT_EQ(left, 0) << "blocks leaked when allocation " << n << " failed";
    ASSERT_EQ(o.counts.live_bytes, 0) << "array bytes leaked when allocation " << n << " failed";
    ASSERT_EQ(o.counts.created, o.counts.destroyed) << "destroy, allocation " << n;
    if (!o.fired) break;
    failures++;
    if (o.no_context) continue;
    ASSERT_TRUE(o.code == 0 || o.code == JAXVJP_OUT_OF_MEMORY)
        << "code " << o.code << " when allocation " << n << " failed";
    ASSERT_TRUE(o.text) << "no text when allocation " << n << " failed";
    if (o.code == 0) {
      ASSERT_DOUBLE_EQ(o.value, program.expected) << "a wrong success, allocation " << n;
    }
    ASSERT_EQ(o.code_again, 0) << "not usable after allocation " << n << " failed";
    ASSERT_DOUBLE_EQ(o.again, program.expected) << "not right after allocation " << n << " failed";
  }
  // Otherwise the library does not allocate where this binary can see it, and the test says
  // nothing.
  EXPECT_GT(failures, 10);
}

INSTANTIATE_TEST_SUITE_P(Programs, AllocationFailure, testing::ValuesIn(programs),
                         [](const auto& info) { return std::string(info.param.name); });

// The hook alone: array buffers come from it, and a NULL from it is OUT_OF_MEMORY.
TEST(AllocHook, null_is_out_of_memory) {
  Counts counts;
  jaxvjp_context_options options = {};
  options.struct_size = sizeof options;
  options.alloc = [](void* user, size_t size, size_t align) -> void* {
    return size > 1 << 20 ? nullptr : hook_alloc(user, size, align);
  };
  options.dealloc = hook_dealloc;
  options.user = &counts;
  jaxvjp_context* cx = jaxvjp_context_new(&options);
  ASSERT_NE(cx, nullptr);
  const int64_t large[1] = {1 << 20}, small[1] = {1 << 10};
  EXPECT_EQ(jaxvjp_full(cx, JAXVJP_F64, large, 1, 1.0), nullptr);
  EXPECT_EQ(jaxvjp_failed(cx), JAXVJP_OUT_OF_MEMORY);
  jaxvjp_clear_error(cx);
  EXPECT_NE(jaxvjp_full(cx, JAXVJP_F64, small, 1, 1.0), nullptr);
  EXPECT_GE(counts.live_bytes, (1 << 10) * 8);
  jaxvjp_context_free(cx);
  EXPECT_EQ(counts.live_bytes, 0);
}

// A shape whose bytes overflow is refused before anything is allocated.
TEST(AllocHook, sizes_that_overflow) {
  jaxvjp_context* cx = jaxvjp_context_new(nullptr);
  const int64_t huge[3] = {int64_t(1) << 31, int64_t(1) << 31, int64_t(1) << 31};
  EXPECT_EQ(jaxvjp_full(cx, JAXVJP_F64, huge, 3, 1.0), nullptr);
  const int32_t code = jaxvjp_failed(cx);
  EXPECT_TRUE(code == JAXVJP_OUT_OF_MEMORY || code == JAXVJP_SHAPE ||
              code == JAXVJP_INVALID_ARGUMENT)
      << code;
  jaxvjp_context_free(cx);
}

}  // namespace
