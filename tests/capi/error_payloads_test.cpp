// Error objects that carry a foreign payload, a panic or an exception: out of nested callbacks to
// the outer caller, from one context to another, and destroyed once where nobody takes them.

#include "token.hpp"

namespace conformance {
namespace {

// An exception of another language: made in the innermost callback, taken out of the outer call.
TEST(ErrorPayloads, a_payload_comes_out_of_every_nesting) {
  static const char tag = 0, other_tag = 0;
  enum Fate { taken, freed, cleared, forgotten };
  for (Fate fate : {taken, freed, cleared, forgotten})
    for (const char* how : {"plain", "jit", "grad", "vmap", "bwd"}) {
      SCOPED_TRACE(std::string(how) + ", fate " + std::to_string(fate));
      Token payload;
      jaxvjp_context* cx = unchecked();
      auto raise = [&payload](jaxvjp_context* cx) {
        jaxvjp_fail_with(cx, jaxvjp_error_new(4242, "a panic", &tag, &payload, Token::destroy));
      };
      auto* inner = function(cx, "inner", [raise](auto cx, auto args) {
        raise(cx);
        return args[0];
      });
      Rule rule = tenfold_square();
      rule.bwd = [raise](auto cx, auto, auto, auto) { raise(cx); };
      const std::string name = how;
      auto* culprit = name == "bwd" ? custom_vjp(cx, "rule", std::move(rule)) : inner;
      auto* middle = function(
          cx, "middle", [culprit](auto cx, auto a) { return jaxvjp_call1(cx, culprit, a[0]); });
      jaxvjp_function* f = middle;
      if (name == "jit") f = jit(cx, middle);
      if (name == "grad" || name == "bwd") f = grad(cx, middle);
      if (name == "vmap") f = vmap(cx, middle, {});
      jaxvjp_value* at = name == "vmap" ? vec(cx, {1, 2}) : jaxvjp_f64(cx, 1);
      EXPECT_EQ(jaxvjp_call1(cx, f, at), nullptr);
      EXPECT_EQ(jaxvjp_failed(cx), 4242);
      EXPECT_NE(std::string(jaxvjp_error_text(cx)).find("a panic"), std::string::npos);
      EXPECT_EQ(payload.destroyed, 0);
      if (fate == cleared) jaxvjp_clear_error(cx);
      if (fate == taken || fate == freed) {
        jaxvjp_error* error = jaxvjp_take_error(cx);
        EXPECT_STREQ(jaxvjp_error_message(error), "a panic");
        if (fate == taken) {
          EXPECT_EQ(jaxvjp_error_take_payload(error, &other_tag), nullptr);
          EXPECT_EQ(jaxvjp_error_take_payload(error, &tag), &payload);
          EXPECT_EQ(jaxvjp_error_take_payload(error, &tag), nullptr);
        }
        jaxvjp_error_free(error);
      }
      jaxvjp_context_free(cx);
      EXPECT_EQ(payload.destroyed, fate == taken ? 0 : 1);
    }
}

TEST(ErrorPayloads, errors_that_do_not_wait) {
  Token first, second, third;
  Context cx;
  jaxvjp_error* error = jaxvjp_error_new(4242, "one", nullptr, &first, Token::destroy);
  jaxvjp_error_free(error);
  EXPECT_EQ(first.destroyed, 1);
  error = jaxvjp_error_new(4243, "two", nullptr, &second, Token::destroy);
  EXPECT_EQ(jaxvjp_error_code(error), 4243);
  EXPECT_EQ(jaxvjp_fail_with(cx, error), 4243);
  error = jaxvjp_error_new(4244, "three", nullptr, &third, Token::destroy);
  EXPECT_EQ(jaxvjp_fail_with(cx, error), 4243);  // the first one stays; the other is consumed
  EXPECT_EQ(third.destroyed, 1);
  EXPECT_EQ(second.destroyed, 0);
  EXPECT_TRUE(failed_with(cx, 4243, {"two"}));
  EXPECT_EQ(second.destroyed, 1);
}

// An error goes from one context to another, by the thread that carries it.
TEST(ErrorPayloads, an_error_changes_contexts) {
  Token payload;
  Context cx;
  jaxvjp_context* fork = jaxvjp_context_fork(cx);
  jaxvjp_fail_with(fork, jaxvjp_error_new(4242, "moved", &payload, &payload, Token::destroy));
  jaxvjp_error* error = jaxvjp_take_error(fork);
  EXPECT_EQ(jaxvjp_failed(fork), 0);
  jaxvjp_context_free(fork);
  jaxvjp_fail_with(cx, error);
  error = jaxvjp_take_error(cx);
  EXPECT_EQ(jaxvjp_error_take_payload(error, &payload), &payload);
  jaxvjp_error_free(error);
  EXPECT_EQ(payload.destroyed, 0);
}

}  // namespace
}  // namespace conformance
