/* A program of somebody who has the installed header only: minimises the Rosenbrock function by
 * Newton's method, with a square of its own derivative rule, and reads an error. `--version` prints
 * the library's version. */
#include <jaxvjp/jaxvjp.h>
#include <stdio.h>
#include <string.h>

/* x^2, whose rule also counts how often it ran */
static int32_t square_fwd(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t n,
                          jaxvjp_value** out, jaxvjp_value** residuals) {
  (void)user, (void)n;
  *out = jaxvjp_call1(cx, jaxvjp_self(cx), args[0]);
  *residuals = args[0];
  return 0;
}

static int32_t square(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t n,
                      jaxvjp_value** out) {
  (void)user, (void)n;
  *out = jaxvjp_mul(cx, args[0], args[0]);
  return 0;
}

static int32_t square_bwd(jaxvjp_context* cx, void* user, jaxvjp_value* x, jaxvjp_value* ct,
                          jaxvjp_value** arg_cts, size_t n) {
  (void)n;
  ++*(int*)user;
  arg_cts[0] = jaxvjp_mul(cx, jaxvjp_mul(cx, jaxvjp_number(cx, 2), x), ct);
  return 0;
}

/* (x, y) -> (1 - x)^2 + 100 (y - x^2)^2 */
static int32_t rosenbrock(jaxvjp_context* cx, void* rule, jaxvjp_value* const* args, size_t n,
                          jaxvjp_value** out) {
  jaxvjp_function* sq = (jaxvjp_function*)rule;
  jaxvjp_value *x = jaxvjp_get(cx, args[0], 0), *y = jaxvjp_get(cx, args[0], 1), *a, *b;
  (void)n;
  a = jaxvjp_call1(cx, sq, jaxvjp_sub(cx, jaxvjp_number(cx, 1), x));
  b = jaxvjp_call1(cx, sq, jaxvjp_sub(cx, y, jaxvjp_call1(cx, sq, x)));
  *out = jaxvjp_add(cx, a, jaxvjp_mul(cx, jaxvjp_number(cx, 100), b));
  return 0;
}

/* The Newton step from the tree of second derivatives and the gradient: a 2 x 2 system by Cramer's
 * rule. */
static void newton(jaxvjp_context* cx, jaxvjp_value* hessian, jaxvjp_value* gradient, double* xy) {
  double h[2][2], g[2], det;
  size_t i, j;
  for (i = 0; i < 2; i++) {
    g[i] = jaxvjp_item(cx, jaxvjp_get(cx, gradient, i));
    for (j = 0; j < 2; j++)
      h[i][j] = jaxvjp_item(cx, jaxvjp_get(cx, jaxvjp_get(cx, hessian, i), j));
  }
  det = h[0][0] * h[1][1] - h[0][1] * h[1][0];
  xy[0] -= (h[1][1] * g[0] - h[0][1] * g[1]) / det;
  xy[1] -= (h[0][0] * g[1] - h[1][0] * g[0]) / det;
}

static int minimise(jaxvjp_context* cx, int* runs) {
  jaxvjp_custom_vjp_options options;
  jaxvjp_function *rule, *f, *hessian, *gradient;
  double xy[2] = {-1.2, 1};
  int step;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.primal = square;
  rule = jaxvjp_custom_vjp(cx, "square", square_fwd, square_bwd, runs, NULL, &options);
  f = jaxvjp_function_new(cx, "rosenbrock", rosenbrock, rule, NULL);
  gradient = jaxvjp_jit(cx, jaxvjp_grad(cx, f, NULL), NULL);
  hessian = jaxvjp_hessian(cx, f, NULL);
  for (step = 0; step < 8 && !jaxvjp_failed(cx); step++) {
    size_t scope = jaxvjp_scope_open(cx);
    jaxvjp_value *items[2], *at;
    items[0] = jaxvjp_f64(cx, xy[0]);
    items[1] = jaxvjp_f64(cx, xy[1]);
    at = jaxvjp_tuple(cx, items, 2);
    newton(cx, jaxvjp_call1(cx, hessian, at), jaxvjp_call1(cx, gradient, at), xy);
    jaxvjp_scope_close(cx, scope, NULL);
  }
  printf("minimum at %.6f %.6f, the rule ran %d times\n", xy[0], xy[1], *runs);
  return !jaxvjp_failed(cx) && *runs > 0 && xy[0] > 0.999999 && xy[0] < 1.000001 &&
         xy[1] > 0.999999 && xy[1] < 1.000001;
}

/* An error of the user's making: its code, its message and its place come back, and the context
 * works again. */
static int misuse(jaxvjp_context* cx) {
  static const int64_t three[1] = {3}, four[1] = {4};
  static const double numbers[4] = {1, 2, 3, 4};
  jaxvjp_error* error;
  int32_t line = 0;
  int ok;
  jaxvjp_set_location(cx, "consumer.c", 7);
  jaxvjp_add(cx, jaxvjp_array(cx, JAXVJP_F64, three, 1, numbers),
             jaxvjp_array(cx, JAXVJP_F64, four, 1, numbers));
  error = jaxvjp_take_error(cx);
  ok = jaxvjp_error_code(error) == JAXVJP_SHAPE && strstr(jaxvjp_error_message(error), "f64[4]") &&
       jaxvjp_error_file(error, &line) && line == 7;
  printf("%s\n", jaxvjp_error_message(error));
  jaxvjp_error_free(error);
  return ok && !jaxvjp_failed(cx) && jaxvjp_item(cx, jaxvjp_i64(cx, 5)) == 5;
}

int main(int argc, char** argv) {
  jaxvjp_context* cx;
  uint32_t version = jaxvjp_version();
  int runs = 0, ok;
  if (argc > 1 && strcmp(argv[1], "--version") == 0) {
    printf("%u.%u.%u\n", (unsigned)(version / 1000000), (unsigned)(version / 1000 % 1000),
           (unsigned)(version % 1000));
    return 0;
  }
  cx = jaxvjp_context_new(NULL);
  ok = minimise(cx, &runs) && misuse(cx);
  if (jaxvjp_failed(cx)) fprintf(stderr, "%s\n", jaxvjp_error_text(cx));
  jaxvjp_context_free(cx);
  return !ok;
}
