// Function: what can be called and transformed. A derived one is the pair (function, what was
// asked); compiled programs are cached on the base function, keyed by the stack of transformations.
#pragma once
#include <functional>

#include "api/value.hpp"

namespace jv {

using Args = std::span<const ValueRef>;
using CacheKey = std::vector<uint64_t>;

// A compiled program and what its key keeps alive.
struct Program : RefCounted {
  JaxprRef jaxpr;
  std::vector<Array> captured;  // leading operands
  ParamsRef params;
  Tree out;
  std::vector<Tree> held;
};

// The newest programs of a base function; any thread may ask.
class ProgramCache {
 public:
  Ref<const Program> find(const CacheKey& key);
  // The first program of a key wins and is returned.
  Ref<const Program> insert(CacheKey key, Ref<const Program> program);

 private:
  static constexpr size_t capacity = 64;
  struct Entry {
    CacheKey key;
    Ref<const Program> program;
    uint64_t used;
  };
  std::mutex mutex_;
  std::vector<Entry> entries_;
  uint64_t clock_ = 0;
};

class Function : public Handle {
 public:
  explicit Function(Session& session) : session(&session) {}
  virtual const std::string& name() const = 0;
  virtual ValueRef call(View& cx, Args args) = 0;

  // As a leaf of a pytree: structure, and the arrays it holds.
  virtual Tree tree(Session& session) {
    return session.trees().object(Ref<const RefCounted>(this));
  }
  virtual Values held(Session&) { return {}; }

  // What it calls outside of programs, by whose names saved ones are linked.
  virtual std::vector<Ref<const class Host>> hosts() const;

  virtual Function& base() { return *this; }
  // What sets this function apart from others with the same base.
  virtual void describe(CacheKey&) const {}
  virtual ProgramCache& programs() { return base().programs(); }
  virtual uint64_t serial() const { return 0; }
  virtual size_t depth() const { return 0; }  // of the stack of transformations
  // For messages: "argument 1 (w)".
  virtual std::string argument(size_t i) const { return "argument " + std::to_string(i); }

  Ref<Session> session;
};
using FunctionRef = Ref<Function>;

// A function without the arrays that it holds: what tree() gives where there are some.
struct FunctionStructure : RefCounted {
  virtual FunctionRef around(std::span<const ValueRef> held) const = 0;
};
// The function of a structure that tree() gave, around the arrays that held() gave.
FunctionRef function_from(const Ref<const RefCounted>& structure, std::span<const ValueRef> held);

// A function that others are derived from.
class BaseFunction : public Function {
 public:
  BaseFunction(Session& session, std::string name);
  const std::string& name() const override { return name_; }
  ProgramCache& programs() override { return programs_; }
  uint64_t serial() const override { return serial_; }

 private:
  std::string name_;
  ProgramCache programs_;
  uint64_t serial_;
};

// A transformation of `inner`; `words` say which, with its options.
class DerivedFunction : public Function {
 public:
  DerivedFunction(FunctionRef f, CacheKey words)
      : Function(*f->session),
        inner(std::move(f)),
        depth_(inner->depth() + 1),
        words_(std::move(words)) {
    if (depth_ > max_depth)
      fail(Code::invalid_argument, "transformations of ", name(), " are nested deeper than ",
           max_depth);
  }
  size_t depth() const override { return depth_; }
  const std::string& name() const override { return inner->name(); }
  Function& base() override { return inner->base(); }
  void describe(CacheKey& key) const override {
    inner->describe(key);
    key.insert(key.end(), words_.begin(), words_.end());
  }
  std::string argument(size_t i) const override { return inner->argument(i); }

  // Errors on the way out say which transformation of which function they passed.
  ValueRef call(View& cx, Args args) final {
    return noted([&] { return apply(cx, args); }, "in ", verb(), " of ", name());
  }

 protected:
  virtual ValueRef apply(View& cx, Args args) = 0;
  virtual const char* verb() const = 0;
  FunctionRef inner;

 private:
  size_t depth_;
  CacheKey words_;
};

// ---- making functions
using CallFn = int32_t (*)(jaxvjp_context*, void* user, jaxvjp_value* const* args, size_t n,
                           jaxvjp_value** out);
FunctionRef callback_function(View& cx, std::string name, CallFn callback, void* user,
                              void (*destroy)(void*));
// The numbers of static arguments become part of the program.
FunctionRef jit(FunctionRef f, const std::vector<int64_t>& static_args = {});

// A jaxpr with the structures of what it was made from.
class TypedJaxpr final : public Handle {
 public:
  JaxprRef jaxpr;
  std::vector<Tree> in;  // one an argument; empty where it was parsed: each input is an argument
  Tree out;              // null where it was parsed: a tuple
};
// It runs the jaxpr; or calls the rule, whose primal the jaxpr is.
FunctionRef typed_jaxpr_function(Ref<TypedJaxpr> jaxpr, Session& session,
                                 std::string name = "jaxpr",
                                 Ref<const class CustomRule> rule = nullptr);
// Runs it; the arguments have the structures and types that it was made for.
ValueRef call_typed(View& cx, const TypedJaxpr& jaxpr, const std::string& name, Operands captured,
                    Args args);
Ref<TypedJaxpr> make_jaxpr(View& cx, Function& f, Args specs);
// The same, with values of live traces that f captured as leading inputs.
Ref<TypedJaxpr> make_jaxpr(View& cx, Function& f, Args specs, const char* verb, Tracers& captured);
// f recorded, with what it captured as arrays that it holds.
FunctionRef closure_convert(View& cx, Function& f, Args specs);

// What a user's callback is called with: the values, held by its view (some NULLs follow, for
// callbacks that read too far); and the reference that it wrote.
Small<jaxvjp_value*, 8> hand_out(View& view, Args values);
inline ValueRef written(jaxvjp_value* v) { return ValueRef(unwrap(v)); }
// Calls a user's callback: `run(view)` with a scope of its own. The error it left, or its code, is
// thrown with a note.
void run_callback(View& cx, StageTrace* staging, struct RuleFrame* rule, const std::string& what,
                  const std::function<int32_t(View&)>& run);
// A staged call of f on inputs of these types. `fixed`: values of leaves that are no inputs; null:
// it is one.
struct StagedCall {
  StageTrace::Closed closed;
  Tree out;
};
StagedCall stage_call(View& cx, Function& f, std::span<const Tree> trees,
                      std::span<const Aval> leaves, const char* verb, Operands fixed = {});
// Places of arguments, of which negative ones count from the last; INVALID_ARGUMENT beyond n.
std::vector<size_t> arguments_at(std::span<const int64_t> places, const std::string& who, size_t n);

// Flattened arguments.
struct FlatArgs {
  Tracers leaves;
  std::vector<Tree> trees;
  FlatArgs(View& cx, Args args);
};
Values unflatten_args(Session& session, std::span<const Tree> trees, Operands leaves);
// Unflattened call: leaves in, leaves out.
Tracers call_flat(View& cx, Function& f, std::span<const Tree> trees, Operands leaves, Tree& out);

}  // namespace jv
