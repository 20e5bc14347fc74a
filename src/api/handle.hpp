// Handles and scopes. Whatever a C call returns is a Handle; the innermost scope of its context
// holds one reference to it.
#pragma once
#include <string>
#include <vector>

#include "trace/stage.hpp"

// The names that C knows views and values by: users' callbacks take these.
struct jaxvjp_context;
struct jaxvjp_value;

namespace jv {

class View;
class Value;
inline View* unwrap(jaxvjp_context* cx) { return reinterpret_cast<View*>(cx); }
inline jaxvjp_context* wrap(View* cx) { return reinterpret_cast<jaxvjp_context*>(cx); }
inline Value* unwrap(jaxvjp_value* v) { return reinterpret_cast<Value*>(v); }
inline const Value* unwrap(const jaxvjp_value* v) { return reinterpret_cast<const Value*>(v); }
inline jaxvjp_value* wrap(Value* v) { return reinterpret_cast<jaxvjp_value*>(v); }

class Handle : public RefCounted {
 public:
  virtual ~Handle() = default;
  // Set in contexts made with JAXVJP_CHECK_HANDLES: the handle's memory outlives it there, and says
  // which scope it was of.
  Session* keeper = nullptr;
  uint32_t scope = 0;
  bool closed = false;
  // The scope entry that `take` may turn into the caller's reference.
  View* scope_owner = nullptr;
  uint32_t scope_slot = 0;

 protected:
  void dispose() const override;
};

class StringHandle final : public Handle {
 public:
  explicit StringHandle(std::string text) : text(std::move(text)) {}
  std::string text;
};

// JAXVJP_CHECK_HANDLES and JAXVJP_CHECK_NANS.
inline constexpr int32_t check_handles_flag = 1, check_nans_flag = 2;

// A context and all views of it share one Root: session, live traces, error, location.
class Root final : public Context, public RefCounted {
 public:
  Root(Session& session, int32_t flags);
  ~Root() override;
  std::unique_ptr<Error> error;  // the waiting one
  bool out_of_memory = false;    // it is that one, and there was no room to say more
  mutable std::string text;      // of jaxvjp_error_text
  int32_t flags;
  size_t callbacks = 0;  // running now, one inside the other
};

// What C calls jaxvjp_context: for the caller, or for one callback's time.
class View {
 public:
  explicit View(Ref<Root> root);
  // A callback's: a scope of its own. `staging`: everything done with it is recorded there.
  View(View& caller, StageTrace* staging);

  virtual ~View();
  View(View&&) = delete;

  Root& root() const { return *root_; }
  Session& session() const { return root_->session(); }
  // Where operations without traced operands happen.
  Trace& place() { return staging ? static_cast<Trace&>(*staging) : root_->eval(); }

  // The value as one of what is recorded here, if anything is.
  Tracer lift(const Tracer& t) { return staging ? staging->lift(t) : t; }

  // Gives the innermost scope a reference; returns the handle.
  template <class T>
  T* keep(Ref<T> handle) {
    hold(handle.get());
    return handle.take();
  }
  bool take(Handle* handle);  // false: the scope no longer has it
  size_t open();
  void close(size_t scope);  // and those opened after it

  // Was the trace live when the view was made? Only then its values may be used with it.
  bool holds(const Trace& trace) const { return trace.depth <= depth_; }

  StageTrace* staging = nullptr;
  struct RuleFrame* rule = nullptr;  // inside a rule's callback

 private:
  void hold(Handle* handle);
  void drop_from(size_t first);
  Ref<Root> root_;
  int depth_;  // of the innermost trace when the view was made
  std::vector<Handle*> handles_;
  struct Scope {
    size_t number, first;  // its name, which is not used again; its first handle
  };
  std::vector<Scope> scopes_;
  size_t last_scope_ = 0;
};

// The caller's view, for who has its context alone: contexts are roots here.
inline View view_of(Context& cx) { return View(Ref<Root>(static_cast<Root*>(&cx))); }

}  // namespace jv
