/* log(1 + exp(x)) with a derivative that is right for every x; and how a wrong rule is found. */
#include <jaxvjp/jaxvjp.h>
#include <stdio.h>

static int32_t fwd(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                   jaxvjp_value **out, jaxvjp_value **residuals) {
  *out = jaxvjp_log(cx, jaxvjp_add(cx, jaxvjp_number(cx, 1), jaxvjp_exp(cx, args[0])));
  *residuals = args[0];
  return 0;
}

static int32_t bwd(jaxvjp_context *cx, void *user, jaxvjp_value *x, jaxvjp_value *ct,
                   jaxvjp_value **arg_cts, size_t n) {
  arg_cts[0] = jaxvjp_mul(cx, ct, jaxvjp_logistic(cx, x));
  return 0;
}

/* 1 - exp(-x), as found in the wild: right at x = 100, wrong where it matters. */
static int32_t wrong_bwd(jaxvjp_context *cx, void *user, jaxvjp_value *x, jaxvjp_value *ct,
                         jaxvjp_value **arg_cts, size_t n) {
  jaxvjp_value *slope = jaxvjp_sub(cx, jaxvjp_number(cx, 1), jaxvjp_exp(cx, jaxvjp_neg(cx, x)));
  arg_cts[0] = jaxvjp_mul(cx, ct, slope);
  return 0;
}

int main(void) {
  jaxvjp_context *cx = jaxvjp_context_new(NULL);
  jaxvjp_function *log1pexp = jaxvjp_custom_vjp(cx, "log1pexp", fwd, bwd, NULL, NULL, NULL);
  jaxvjp_function *wrong = jaxvjp_custom_vjp(cx, "wrong", fwd, wrong_bwd, NULL, NULL, NULL);
  jaxvjp_function *slope = jaxvjp_grad(cx, log1pexp, NULL);
  jaxvjp_value *x = jaxvjp_f64(cx, 1);
  int32_t failed;

  printf("%g\n", jaxvjp_item(cx, jaxvjp_call1(cx, slope, jaxvjp_f64(cx, 100))));      /* 1 */
  printf("%g\n", jaxvjp_item(cx, jaxvjp_call1(cx, slope, x)));                        /* 0.731059 */
  printf("%g\n", jaxvjp_item(cx, jaxvjp_call1(cx, jaxvjp_grad(cx, slope, NULL), x))); /* 0.196612 */

  jaxvjp_check_vjp(cx, log1pexp, &x, 1, NULL);
  if (!jaxvjp_failed(cx) && jaxvjp_check_vjp(cx, wrong, &x, 1, NULL) == JAXVJP_CHECK) {
    printf("as expected: %s\n", jaxvjp_error_text(cx)); /* ... got 0.632121, expected 0.731059 */
    jaxvjp_clear_error(cx);
  }
  failed = jaxvjp_failed(cx);
  if (failed) fprintf(stderr, "%s\n", jaxvjp_error_text(cx));
  jaxvjp_context_free(cx);
  return failed != 0;
}
