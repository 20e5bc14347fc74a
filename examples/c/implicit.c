/* Implicit differentiation of a solver that the library cannot see into: x*(p) with F(x*, p) = 0.
 * dx* = -(dF/dx)^-1 dF/dp dp, so the rule needs F, not the iterations. Right at every order. */
#include <jaxvjp/jaxvjp.h>
#include <math.h>
#include <stdio.h>

enum { N = 3 };

/* F(x, p) = x + x^3 - p, the stationarity of  sum x^2 / 2 + x^4 / 4 - p x. */
static int32_t stationarity(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                            jaxvjp_value **out) {
  jaxvjp_value *x = args[0], *p = args[1];
  *out = jaxvjp_sub(cx, jaxvjp_add(cx, x, jaxvjp_mul(cx, x, jaxvjp_square(cx, x))), p);
  return 0;
}

/* The opaque part: plain C on plain numbers. It runs where nothing is differentiated, so it may
 * read them. */
static int32_t run_optimizer(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                             jaxvjp_value **out) {
  static const int64_t shape[1] = {N};
  double p[N], x[N];
  int i, step;
  if (jaxvjp_read(cx, args[0], p, sizeof p)) return jaxvjp_failed(cx);
  for (i = 0; i < N; i++) {
    for (x[i] = 0, step = 0; step < 50; step++)
      x[i] -= (x[i] + x[i] * x[i] * x[i] - p[i]) / (1 + 3 * x[i] * x[i]);
    if (!isfinite(x[i])) return jaxvjp_fail(cx, JAXVJP_CALLBACK, "the optimizer diverged");
  }
  *out = jaxvjp_array(cx, JAXVJP_F64, shape, 1, x);
  return 0;
}

/* Calls the function itself, not the optimizer: so the second derivative meets the rule again. */
static int32_t fwd(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                   jaxvjp_value **out, jaxvjp_value **residuals) {
  static const char *const keys[] = {"solution", "params"};
  jaxvjp_value *items[2];
  items[0] = jaxvjp_call1(cx, jaxvjp_self(cx), args[0]);
  items[1] = args[0];
  *out = items[0];
  *residuals = jaxvjp_dict(cx, keys, items, 2);
  return 0;
}

static int32_t bwd(jaxvjp_context *cx, void *user, jaxvjp_value *residuals, jaxvjp_value *ct,
                   jaxvjp_value **arg_cts, size_t n) {
  jaxvjp_function *f = jaxvjp_function_new(cx, "stationarity", stationarity, NULL, NULL),
                  *pullback = NULL;
  jaxvjp_value *at[2], *dfdx, *w;
  at[0] = jaxvjp_lookup(cx, residuals, "solution");
  at[1] = jaxvjp_lookup(cx, residuals, "params");
  dfdx = jaxvjp_call(cx, jaxvjp_jacrev(cx, f, NULL), at, 2);
  w = jaxvjp_solve(cx, jaxvjp_matrix_transpose(cx, dfdx), ct);
  jaxvjp_vjp(cx, f, at, 2, &pullback);
  arg_cts[0] = jaxvjp_neg(cx, jaxvjp_get(cx, jaxvjp_call1(cx, pullback, w), 1));
  return 0;
}

static int32_t total(jaxvjp_context *cx, void *solve, jaxvjp_value *const *args, size_t n,
                     jaxvjp_value **out) {
  *out = jaxvjp_sum(cx, jaxvjp_call1(cx, (jaxvjp_function *)solve, args[0]), NULL, 0);
  return 0;
}

int main(void) {
  static const int64_t shape[1] = {N};
  static const double p[N] = {0.5, 2, 10}; /* x* = 0.4238, 1, 2 */
  jaxvjp_context *cx = jaxvjp_context_new(NULL);
  jaxvjp_custom_vjp_options options = {.struct_size = sizeof options, .primal = run_optimizer};
  jaxvjp_function *solve = jaxvjp_custom_vjp(cx, "solve", fwd, bwd, NULL, NULL, &options);
  jaxvjp_function *loss = jaxvjp_function_new(cx, "total", total, solve, NULL);
  jaxvjp_value *params = jaxvjp_array(cx, JAXVJP_F64, shape, 1, p);
  int32_t failed;

  printf("%s\n", jaxvjp_to_string(cx, jaxvjp_call1(cx, jaxvjp_grad(cx, loss, NULL),
                                                   params))); /* 1 / (1 + 3 x^2) */
  printf("%s\n", jaxvjp_to_string(cx, jaxvjp_call1(cx, jaxvjp_hessian(cx, loss, NULL),
                                                   params))); /* -6 x / (1 + 3 x^2)^3 */
  failed = jaxvjp_failed(cx);
  if (failed) fprintf(stderr, "%s\n", jaxvjp_error_text(cx));
  jaxvjp_context_free(cx);
  return failed != 0;
}
