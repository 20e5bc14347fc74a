/* NLopt minimises what this library differentiates: three of the problems that NLopt tests itself
 * with are written as traced functions, and its L-BFGS gets their gradients. Then the other way
 * round: functions with gradients by hand, as NLopt takes them, become functions of this library by
 * jaxvjp_from_value_grad, and jaxvjp_check_vjp compares their gradients with differences.
 *
 * Problems and minima: NLopt's test functions (Rosenbrock; McCormick; Paviani, in 10 variables). */
#include <jaxvjp/jaxvjp.h>
#include <math.h>
#include <nlopt.h>
#include <stdio.h>

static jaxvjp_value *num(jaxvjp_context *cx, double number) { return jaxvjp_number(cx, number); }
static jaxvjp_value *component(jaxvjp_context *cx, jaxvjp_value *x, int64_t i) {
  int64_t first = i, end = i + 1;
  return jaxvjp_reshape(cx, jaxvjp_slice(cx, x, &first, 1, &end, 1, NULL, 0), NULL, 0);
}

/* 100 (y - x^2)^2 + (1 - x)^2 */
static int32_t rosenbrock(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                          jaxvjp_value **out) {
  jaxvjp_value *x = component(cx, args[0], 0), *y = component(cx, args[0], 1), *valley;
  valley = jaxvjp_square(cx, jaxvjp_sub(cx, y, jaxvjp_square(cx, x)));
  x = jaxvjp_square(cx, jaxvjp_sub(cx, num(cx, 1), x));
  *out = jaxvjp_add(cx, jaxvjp_mul(cx, num(cx, 100), valley), x);
  return 0;
}

/* sin(x + y) + (x - y)^2 - 1.5 x + 2.5 y + 1 */
static int32_t mccormick(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                         jaxvjp_value **out) {
  jaxvjp_value *x = component(cx, args[0], 0), *y = component(cx, args[0], 1), *sum;
  sum = jaxvjp_sin(cx, jaxvjp_add(cx, x, y));
  sum = jaxvjp_add(cx, sum, jaxvjp_square(cx, jaxvjp_sub(cx, x, y)));
  sum = jaxvjp_sub(cx, sum, jaxvjp_mul(cx, num(cx, 1.5), x));
  sum = jaxvjp_add(cx, sum, jaxvjp_mul(cx, num(cx, 2.5), y));
  *out = jaxvjp_add(cx, sum, num(cx, 1));
  return 0;
}

/* sum_i log(x_i - 2)^2 + log(10 - x_i)^2, less (x_1 ... x_10)^0.2 */
static int32_t paviani(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                       jaxvjp_value **out) {
  jaxvjp_value *x = args[0], *low, *high, *product;
  low = jaxvjp_square(cx, jaxvjp_log(cx, jaxvjp_sub(cx, x, num(cx, 2))));
  high = jaxvjp_square(cx, jaxvjp_log(cx, jaxvjp_sub(cx, num(cx, 10), x)));
  product = jaxvjp_sum(cx, jaxvjp_log(cx, x), NULL, 0);
  product = jaxvjp_exp(cx, jaxvjp_mul(cx, num(cx, 0.2), product));
  low = jaxvjp_sum(cx, jaxvjp_add(cx, low, high), NULL, 0);
  *out = jaxvjp_sub(cx, low, product);
  return 0;
}

/* The same with derivatives by hand. */
static double rosenbrock_by_hand(unsigned n, const double *x, double *grad, void *data) {
  double valley = x[1] - x[0] * x[0], rest = 1 - x[0];
  if (grad) {
    grad[0] = -400 * valley * x[0] - 2 * rest;
    grad[1] = 200 * valley;
  }
  return 100 * valley * valley + rest * rest;
}
static double mccormick_by_hand(unsigned n, const double *x, double *grad, void *data) {
  double slope = cos(x[0] + x[1]), apart = x[0] - x[1];
  if (grad) {
    grad[0] = slope + 2 * apart - 1.5;
    grad[1] = slope - 2 * apart + 2.5;
  }
  return sin(x[0] + x[1]) + apart * apart - 1.5 * x[0] + 2.5 * x[1] + 1;
}
static double paviani_by_hand(unsigned n, const double *x, double *grad, void *data) {
  double sum = 0, product = 1;
  unsigned i;
  for (i = 0; i < n; i++) product *= x[i];
  product = pow(product, 0.2);
  for (i = 0; i < n; i++) {
    double low = log(x[i] - 2), high = log(10 - x[i]);
    sum += low * low + high * high;
    if (grad) grad[i] = 2 * low / (x[i] - 2) - 2 * high / (10 - x[i]) - 0.2 * product / x[i];
  }
  return sum - product;
}

/* What NLopt calls: f's value at x and, where it asks, the gradient. */
typedef struct objective {
  jaxvjp_context *cx;
  jaxvjp_function *value, *value_and_grad;
} objective;

static double evaluate(unsigned n, const double *x, double *grad, void *data) {
  objective *o = (objective *)data;
  size_t scope = jaxvjp_scope_open(o->cx);
  int64_t length = n;
  jaxvjp_value *at = jaxvjp_array(o->cx, JAXVJP_F64, &length, 1, x), *both;
  double value;
  if (grad) {
    both = jaxvjp_call1(o->cx, o->value_and_grad, at);
    value = jaxvjp_item(o->cx, jaxvjp_get(o->cx, both, 0));
    jaxvjp_read(o->cx, jaxvjp_get(o->cx, both, 1), grad, n * sizeof *grad);
  } else {
    value = jaxvjp_item(o->cx, jaxvjp_call1(o->cx, o->value, at));
  }
  jaxvjp_scope_close(o->cx, scope, NULL);
  return value; /* NaN when it failed; NLopt stops */
}

typedef struct problem {
  const char *name;
  jaxvjp_call_fn traced;
  jaxvjp_value_grad_fn by_hand;
  unsigned n;
  double low, high, start;
} problem;

static const problem problems[] = {
    {"rosenbrock", rosenbrock, rosenbrock_by_hand, 2, -2, 2, -1.2},
    {"mccormick", mccormick, mccormick_by_hand, 2, -3, 3, 0},
    {"paviani", paviani, paviani_by_hand, 10, 2.001, 9.999, 5},
};

static void solve(jaxvjp_context *cx, const problem *p) {
  double x[10], least = 0;
  unsigned i;
  nlopt_opt optimiser = nlopt_create(NLOPT_LD_LBFGS, p->n);
  jaxvjp_function *f = jaxvjp_function_new(cx, p->name, p->traced, NULL, NULL);
  objective o;
  o.cx = cx;
  o.value = jaxvjp_jit(cx, f, NULL);
  o.value_and_grad = jaxvjp_jit(cx, jaxvjp_value_and_grad(cx, f, NULL), NULL);
  for (i = 0; i < p->n; i++) x[i] = p->start;
  nlopt_set_lower_bounds1(optimiser, p->low);
  nlopt_set_upper_bounds1(optimiser, p->high);
  nlopt_set_xtol_rel(optimiser, 1e-10);
  nlopt_set_min_objective(optimiser, evaluate, &o);
  if (nlopt_optimize(optimiser, x, &least) < 0) printf("%s: NLopt failed\n", p->name);
  printf("%s: minimum %.6f at %.5f %.5f\n", p->name, least, x[0], x[1]);
  nlopt_destroy(optimiser);
}

/* Prints 1 when the gradient by hand passes, at a point that is no minimum. */
static void check(jaxvjp_context *cx, const problem *p) {
  double x[10];
  int64_t length = p->n;
  unsigned i;
  jaxvjp_function *f = jaxvjp_from_value_grad(cx, p->name, p->by_hand, NULL, NULL);
  jaxvjp_value *at;
  for (i = 0; i < p->n; i++) x[i] = p->low + (p->high - p->low) * (0.2 + 0.05 * i);
  at = jaxvjp_array(cx, JAXVJP_F64, &length, 1, x);
  printf("%s: the gradient by hand is right: %d\n", p->name,
         jaxvjp_check_vjp(cx, f, &at, 1, NULL) == 0);
}

int main(void) {
  jaxvjp_context *cx = jaxvjp_context_new(NULL);
  size_t i;
  int failed;
  for (i = 0; i < sizeof problems / sizeof *problems; i++) {
    solve(cx, &problems[i]);
    check(cx, &problems[i]);
  }
  failed = jaxvjp_failed(cx) != 0;
  if (failed) fprintf(stderr, "%s\n", jaxvjp_error_text(cx));
  jaxvjp_context_free(cx);
  return failed;
}
