// Library, contexts, scopes, errors, ownership.
#include <cstring>

#include "capi/wrap.hpp"
#include "exec/reference.hpp"
#include "kernels/kernels.hpp"

using namespace jv;
using namespace jv::capi;

// ---- library

uint32_t jaxvjp_version(void) {
  uint32_t parts[3] = {};
  const char* p = JAXVJP_VERSION;
  for (uint32_t& part : parts) {
    while (*p >= '0' && *p <= '9') part = part * 10 + uint32_t(*p++ - '0');
    if (*p) ++p;
  }
  return parts[0] * 1000000 + parts[1] * 1000 + parts[2];
}
uint32_t jaxvjp_abi(void) { return JAXVJP_ABI; }
const char* jaxvjp_build_info(void) {
  return std::strcmp(kernels::instruction_set(), "avx2") == 0
             ? "libjaxvjp " JAXVJP_VERSION ", " __VERSION__ ", avx2, OpenBLAS"
             : "libjaxvjp " JAXVJP_VERSION ", " __VERSION__ ", portable, OpenBLAS";
}

// ---- contexts

// The caller's own view; a callback's is made on the stack and not the user's to free.
namespace {
class OwnedView final : public View {
 public:
  using View::View;
};
}  // namespace

static_assert(JAXVJP_CHECK_HANDLES == check_handles_flag && JAXVJP_CHECK_NANS == check_nans_flag);

jaxvjp_context* jaxvjp_context_new(const jaxvjp_context_options* given) {
  try {
    std::unique_ptr<Error> error;
    jaxvjp_context_options options{};
    try {
      options = read_options(given, "context options");
      check_flags(options.flags, JAXVJP_CHECK_HANDLES | JAXVJP_CHECK_NANS, "context options");
      if (!options.alloc != !options.dealloc)
        fail(Code::invalid_argument, "context options: alloc and dealloc go together");
    } catch (Error& e) {
      error = std::make_unique<Error>(std::move(e));
      options = {};
    }
    Ref<Session> session = make_ref<Session>(
        MemoryHooks{options.alloc, options.dealloc, options.user},
        std::make_unique<ReferenceExecutor>(), PrintHook{options.print, options.user});
    Ref<Root> root = make_ref<Root>(*session, options.flags);
    root->error = std::move(error);
    return wrap(new OwnedView(root));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

jaxvjp_context* jaxvjp_context_fork(jaxvjp_context* cx) {
  return guard(cx, "context_fork", static_cast<jaxvjp_context*>(nullptr), [](View& view) {
    Ref<Root> root = make_ref<Root>(view.session(), view.root().flags);
    return wrap(new OwnedView(root));
  });
}

void jaxvjp_context_free(jaxvjp_context* cx) { delete dynamic_cast<OwnedView*>(unwrap(cx)); }

size_t jaxvjp_scope_open(jaxvjp_context* cx) {
  return guard(cx, "scope_open", size_t{0}, [](View& view) { return view.open(); });
}

jaxvjp_value* jaxvjp_scope_close(jaxvjp_context* cx, size_t scope, jaxvjp_value* survivor) {
  if (!cx) return nullptr;
  View& view = *unwrap(cx);
  if (scope == 0 && failed(view)) return nullptr;
  try {
    Ref<Value> held(unwrap(survivor));
    view.close(scope);
    return held ? keep(view, std::move(held)) : nullptr;
  } catch (...) {
    catch_error(view, "scope_close");
    return nullptr;
  }
}

void jaxvjp_set_location(jaxvjp_context* cx, const char* file, int32_t line) {
  guard(cx, "set_location", 0, [&](View& view) {
    view.root().location = file ? view.session().location(file, line) : 0;
    return 0;
  });
}

int64_t jaxvjp_stat(jaxvjp_context* cx, int32_t which) {
  return guard(cx, "stat", int64_t{-1}, [&](View& view) -> int64_t {
    auto& c = view.session().counters;
    switch (which) {
      case JAXVJP_STAT_VALUES: return c.values;
      case JAXVJP_STAT_BYTES: return c.bytes;
      case JAXVJP_STAT_TRACES: return c.traces;
      case JAXVJP_STAT_COMPILES: return c.compiles;
      case JAXVJP_STAT_CALLBACKS: return c.callbacks;
      default: fail(Code::invalid_argument, "stat: there is no counter ", which);
    }
  });
}

// ---- errors

int32_t jaxvjp_failed(const jaxvjp_context* cx) {
  if (!cx) return JAXVJP_INVALID_ARGUMENT;
  const Root& root = reinterpret_cast<const View*>(cx)->root();
  return root.out_of_memory ? JAXVJP_OUT_OF_MEMORY : root.error ? root.error->code : JAXVJP_OK;
}

const char* jaxvjp_error_text(const jaxvjp_context* cx) {
  if (!cx) return "the context is NULL";
  const Root& root = reinterpret_cast<const View*>(cx)->root();
  if (root.out_of_memory) return "out of memory";
  if (!root.error) return "";
  try {
    const Error& e = *root.error;
    root.text = e.message;
    if (!e.file.empty()) root.text += str("\n  at ", e.file, ":", e.line);
    for (const std::string& note : e.notes) root.text += "\n  " + note;
    return root.text.c_str();
  } catch (const std::bad_alloc&) {
    return root.error->message.c_str();
  }
}

void jaxvjp_clear_error(jaxvjp_context* cx) {
  if (!cx) return;
  unwrap(cx)->root().error = nullptr;
  unwrap(cx)->root().out_of_memory = false;
}

jaxvjp_error* jaxvjp_take_error(jaxvjp_context* cx) {
  if (!cx) return nullptr;
  Root& root = unwrap(cx)->root();
  if (!root.out_of_memory) return wrap(root.error.release());
  auto* error = new (std::nothrow)
      Error(int32_t(Code::out_of_memory), "out of memory");  // short enough to need none
  if (error) root.out_of_memory = false;
  return wrap(error);
}

int32_t jaxvjp_fail(jaxvjp_context* cx, int32_t code, const char* message) {
  guard(cx, "", 0,  // the message is the caller's

        [&](View&) -> int { throw Error(code ? code : JAXVJP_CALLBACK, message ? message : ""); });
  return jaxvjp_failed(cx);
}

int32_t jaxvjp_fail_with(jaxvjp_context* cx, jaxvjp_error* error) {
  std::unique_ptr<Error> owned(unwrap(error));
  guard(cx, "", 0,
        [&](View&) -> int { throw Error(std::move(required(owned.get(), "the error"))); });
  return jaxvjp_failed(cx);
}

jaxvjp_error* jaxvjp_error_new(int32_t code, const char* message, const void* tag, void* payload,
                               jaxvjp_destroy_fn destroy) {
  try {
    std::shared_ptr<Payload> held;
    try {
      held = std::make_shared<Payload>(tag, payload, destroy);
    } catch (...) {
      if (destroy && payload) destroy(payload);
      throw;
    }
    auto error = std::make_unique<Error>(code ? code : JAXVJP_CALLBACK, message ? message : "");
    error->payload = std::move(held);
    return wrap(error.release());
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

int32_t jaxvjp_error_code(const jaxvjp_error* error) { return error ? unwrap(error)->code : 0; }
const char* jaxvjp_error_message(const jaxvjp_error* error) {
  return error ? unwrap(error)->message.c_str() : nullptr;
}
const char* jaxvjp_error_file(const jaxvjp_error* error, int32_t* line) {
  bool known = error && !unwrap(error)->file.empty();
  if (line) *line = known ? unwrap(error)->line : 0;
  return known ? unwrap(error)->file.c_str() : nullptr;
}
const char* jaxvjp_error_note(const jaxvjp_error* error, size_t i) {
  return error && i < unwrap(error)->notes.size() ? unwrap(error)->notes[i].c_str() : nullptr;
}
void* jaxvjp_error_take_payload(jaxvjp_error* error, const void* tag) {
  if (!error || !unwrap(error)->payload || unwrap(error)->payload->tag != tag) return nullptr;
  return std::exchange(unwrap(error)->payload->object, nullptr);
}
void jaxvjp_error_free(jaxvjp_error* error) { delete unwrap(error); }

// ---- ownership

template <class H>
static H* retain_handle(H* h) {
  if (h) unwrap(h)->retain();
  return h;
}
template <class H>
static H* take_handle(H* h) {
  if (h && !(unwrap(h)->scope_owner && unwrap(h)->scope_owner->take(unwrap(h))))
    unwrap(h)->retain();
  return h;
}

jaxvjp_value* jaxvjp_retain(jaxvjp_value* v) { return retain_handle(v); }
void jaxvjp_release(jaxvjp_value* v) {
  if (v) unwrap(v)->release();
}
jaxvjp_value* jaxvjp_take(jaxvjp_value* v) { return take_handle(v); }
jaxvjp_value* jaxvjp_give(jaxvjp_context* cx, jaxvjp_value* v) {
  Ref<Value> owned = Ref<Value>::adopt(unwrap(v));
  return guard(cx, "give", static_cast<jaxvjp_value*>(nullptr), [&](View& view) {
    value(view, wrap(owned.get()), "the value");
    return keep(view, std::move(owned));
  });
}
void jaxvjp_update(jaxvjp_value** held, jaxvjp_value* next) {
  if (!held || !next) return;
  jaxvjp_value* old = *held;
  *held = jaxvjp_retain(next);
  jaxvjp_release(old);
}
jaxvjp_function* jaxvjp_function_retain(jaxvjp_function* f) { return retain_handle(f); }
jaxvjp_function* jaxvjp_function_take(jaxvjp_function* f) { return take_handle(f); }
void jaxvjp_function_release(jaxvjp_function* f) {
  if (f) unwrap(f)->release();
}
jaxvjp_jaxpr* jaxvjp_jaxpr_retain(jaxvjp_jaxpr* j) { return retain_handle(j); }
jaxvjp_jaxpr* jaxvjp_jaxpr_take(jaxvjp_jaxpr* j) { return take_handle(j); }
void jaxvjp_jaxpr_release(jaxvjp_jaxpr* j) {
  if (j) unwrap(j)->release();
}
