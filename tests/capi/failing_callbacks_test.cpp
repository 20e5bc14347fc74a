// Callbacks that fail, or that return garbage: in every role, eagerly and while they are recorded,
// the outer call fails with the code and says which callback of which function it was.

#include "misuse.hpp"

namespace conformance {
namespace {

enum Role { primal_role, fwd_role, bwd_role, jvp_role, function_role };
const char* const role_names[] = {"primal", "fwd", "bwd", "jvp", "callback"};

// Calls a function whose callback of this role ends with `end`: what it returns in C.
void run_role(jaxvjp_context* cx, Role role, int32_t (*end)(jaxvjp_context*), bool jitted) {
  struct User {
    Role role;
    int32_t (*end)(jaxvjp_context*);
    int32_t ends(jaxvjp_context* cx, Role here) { return here == role ? end(cx) : 0; }
  };
  static const auto user_of = [](void* user) { return static_cast<User*>(user); };
  const jaxvjp_call_fn primal = [](auto cx, auto user, auto args, auto, auto out) {
    *out = args[0];
    const Role role = user_of(user)->role;
    return user_of(user)->ends(cx, role == function_role ? function_role : primal_role);
  };
  const jaxvjp_fwd_fn fwd = [](auto cx, auto user, auto args, auto, auto out, auto residuals) {
    *out = *residuals = args[0];
    return user_of(user)->ends(cx, fwd_role);
  };
  const jaxvjp_bwd_fn bwd = [](auto cx, auto user, auto, auto ct, auto slots, auto) {
    slots[0] = ct;
    return user_of(user)->ends(cx, bwd_role);
  };
  const jaxvjp_jvp_fn jvp_rule = [](auto cx, auto user, auto primals, auto tangents, auto, auto out,
                                    auto tangent) {
    *out = primals[0];
    *tangent = tangents[0];
    return user_of(user)->ends(cx, jvp_role);
  };
  const jaxvjp_destroy_fn destroy = [](void* user) { delete user_of(user); };
  User* user = new User{role, end};
  jaxvjp_custom_vjp_options options{};
  options.struct_size = sizeof options;
  options.primal = primal;
  jaxvjp_function* f = nullptr;
  if (role == function_role) f = jaxvjp_function_new(cx, "culprit", primal, user, destroy);
  if (role == jvp_role) f = jaxvjp_custom_jvp(cx, "culprit", primal, jvp_rule, user, destroy);
  if (!f) f = jaxvjp_custom_vjp(cx, "culprit", fwd, bwd, user, destroy, &options);
  if (role != function_role && role != primal_role) f = grad(cx, f);
  EXPECT_EQ(jaxvjp_call1(cx, jitted ? jit(cx, f) : f, jaxvjp_f64(cx, 1)), nullptr);
}

TEST(FailingCallbacks, callbacks_that_fail) {
  const struct {
    const char* what;
    int32_t (*end)(jaxvjp_context*);
    int32_t code;
    const char* word;
  } ends[] = {
      {"with a code of the list", [](auto cx) { return jaxvjp_fail(cx, JAXVJP_SHAPE, "my words"); },
       JAXVJP_SHAPE, "my words"},
      {"with a code of its own", [](auto cx) { return jaxvjp_fail(cx, 4242, "my words"); }, 4242,
       "my words"},
      {"with code 0", [](auto cx) { return jaxvjp_fail(cx, 0, "my words"); }, JAXVJP_CALLBACK,
       "my words"},
      {"and returns 0 all the same",
       [](auto cx) -> int32_t { return jaxvjp_fail(cx, 4242, "my words"), 0; }, 4242, "my words"},
      {"and returns another code",
       [](auto cx) -> int32_t { return jaxvjp_fail(cx, 4242, "my words"), 5; }, 4242, "my words"},
      {"with %s in its words", [](auto cx) { return jaxvjp_fail(cx, 4242, "100%s %n words"); },
       4242, "100%s %n words"},
      {"by an operation",
       [](auto cx) -> int32_t { return jaxvjp_lookup(cx, tuple(cx, {}), "x"), 0; }, JAXVJP_TREE,
       "culprit"},
  };
  for (const auto& end : ends)
    for (Role role : {primal_role, fwd_role, bwd_role, jvp_role, function_role})
      for (bool jitted : {false, true}) {
        SCOPED_TRACE(std::string(role_names[role]) + " fails " + end.what +
                     (jitted ? ", jit" : ", eager"));
        Context cx;
        run_role(cx, role, end.end, jitted);
        const bool rule = role != function_role;
        EXPECT_TRUE(
            failed_with(cx, end.code, {end.word, "culprit", rule ? role_names[role] : "culprit"}));
        EXPECT_TRUE(works(cx));
      }
}

// A code without words behind it is passed on, or is CALLBACK; the text says which function, and
// the number. (A binding's callback that failed to run returns anything.)
TEST(FailingCallbacks, callbacks_that_return_garbage) {
  const struct {
    int32_t (*end)(jaxvjp_context*);
    int32_t code;
  } ends[] = {
      {[](auto) -> int32_t { return -1; }, -1},
      {[](auto) -> int32_t { return 123456789; }, 123456789},
      {[](auto) -> int32_t { return INT32_MIN; }, INT32_MIN},
      {[](auto cx) -> int32_t {
         jaxvjp_fail(cx, 4242, "my words");
         jaxvjp_clear_error(cx);
         return 4242;
       },
       4242},
  };
  for (const auto& end : ends)
    for (Role role : {primal_role, fwd_role, bwd_role, jvp_role, function_role})
      for (bool jitted : {false, true}) {
        const std::string number = std::to_string(end.code);
        SCOPED_TRACE(std::string(role_names[role]) + " returns " + number +
                     (jitted ? ", jit" : ", eager"));
        Context cx;
        run_role(cx, role, end.end, jitted);
        const int32_t code = jaxvjp_failed(cx);
        EXPECT_TRUE(code == JAXVJP_CALLBACK || code == end.code) << code;
        EXPECT_TRUE(failed_with(cx, code, {"culprit", number.c_str()}));
        EXPECT_TRUE(works(cx));
      }
}

}  // namespace
}  // namespace conformance
