/* Malignant or benign: logistic regression on raw features, in single precision, by gradient
 * descent.
 *
 *   logistic_regression [STEPS [DATA]]
 *
 * The loss is mean(log(1 + exp(z))), z = -s (x w + b). The features are not scaled, so z soon
 * reaches the thousands: exp(z) is inf, and so is the loss; the derivative of log at inf, times
 * inf, is NaN, and so is the model. A rule of our own has neither: its forward is stable, its
 * backward is the logistic function, as one would write on paper. */
#include <jaxvjp/jaxvjp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEATURES = 30, MAX_ROWS = 1000 };

typedef struct {
  int64_t rows;
  float features[MAX_ROWS * FEATURES];
  float signs[MAX_ROWS]; /* 1 malignant, -1 benign */
} data_set;

/* One row a line: the label, then the features. Lines that do not start with a digit are comment
 * and head. */
static int read_csv(const char *path, data_set *data) {
  char line[4096], *at;
  int i;
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  for (data->rows = 0; data->rows < MAX_ROWS && fgets(line, sizeof line, file);) {
    if (line[0] != '0' && line[0] != '1') continue;
    data->signs[data->rows] = strtol(line, &at, 10) ? 1.0f : -1.0f;
    for (i = 0; i < FEATURES && *at == ','; i++)
      data->features[data->rows * FEATURES + i] = (float)strtod(at + 1, &at);
    if (i < FEATURES) break;
    data->rows++;
  }
  i = feof(file);
  fclose(file);
  return i && data->rows > 0;
}

/* ---------------------------------------------------------------------------- log(1 + exp(z)),
 * three times */

/* As it stands: right in value and derivative until exp(z) overflows, at 88. */
static int32_t plain(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                     jaxvjp_value **out) {
  *out = jaxvjp_log(cx, jaxvjp_add(cx, jaxvjp_number(cx, 1), jaxvjp_exp(cx, args[0])));
  return 0;
}

/* max(z, 0) + log1p(exp(-|z|)) */
static int32_t fwd(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                   jaxvjp_value **out, jaxvjp_value **residuals) {
  jaxvjp_value *z = args[0], *tail;
  tail = jaxvjp_log1p(cx, jaxvjp_exp(cx, jaxvjp_neg(cx, jaxvjp_abs(cx, z))));
  *out = jaxvjp_add(cx, jaxvjp_maximum(cx, z, jaxvjp_number(cx, 0)), tail);
  *residuals = z;
  return 0;
}

static int32_t bwd(jaxvjp_context *cx, void *user, jaxvjp_value *z, jaxvjp_value *ct,
                   jaxvjp_value **arg_cts, size_t n) {
  arg_cts[0] = jaxvjp_mul(cx, ct, jaxvjp_logistic(cx, z));
  return 0;
}

/* 1 - exp(-z): found in the wild, and near enough for large z to be believed. */
static int32_t wrong_bwd(jaxvjp_context *cx, void *user, jaxvjp_value *z, jaxvjp_value *ct,
                         jaxvjp_value **arg_cts, size_t n) {
  jaxvjp_value *slope = jaxvjp_sub(cx, jaxvjp_number(cx, 1), jaxvjp_exp(cx, jaxvjp_neg(cx, z)));
  arg_cts[0] = jaxvjp_mul(cx, ct, slope);
  return 0;
}

/* ---------------------------------------------------------------------------- model and training
 */

/* ({b, w}, x, s) -> s (x w + b): positive where the model is right */
static jaxvjp_value *margins(jaxvjp_context *cx, jaxvjp_value *const *args) {
  jaxvjp_value *scores = jaxvjp_matmul(cx, args[1], jaxvjp_lookup(cx, args[0], "w"));
  return jaxvjp_mul(cx, args[2], jaxvjp_add(cx, scores, jaxvjp_lookup(cx, args[0], "b")));
}

static int32_t loss(jaxvjp_context *cx, void *log1pexp, jaxvjp_value *const *args, size_t n,
                    jaxvjp_value **out) {
  jaxvjp_value *z = jaxvjp_neg(cx, margins(cx, args));
  *out = jaxvjp_mean(cx, jaxvjp_call1(cx, (jaxvjp_function *)log1pexp, z), NULL, 0);
  return 0;
}

static int32_t accuracy(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                        jaxvjp_value **out) {
  jaxvjp_value *right = jaxvjp_gt(cx, margins(cx, args), jaxvjp_number(cx, 0));
  *out = jaxvjp_mean(cx, jaxvjp_convert(cx, right, JAXVJP_F32), NULL, 0);
  return 0;
}

/* p - 6e-5 g, for one leaf */
static int32_t descend(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                       jaxvjp_value **out) {
  *out = jaxvjp_sub(cx, args[0], jaxvjp_mul(cx, jaxvjp_number(cx, 6e-5), args[1]));
  return 0;
}

/* (params, x, s) -> new params */
static int32_t step(jaxvjp_context *cx, void *gradient, jaxvjp_value *const *args, size_t n,
                    jaxvjp_value **out) {
  jaxvjp_function *rule = jaxvjp_function_new(cx, "descend", descend, NULL, NULL);
  jaxvjp_value *trees[2];
  trees[0] = args[0];
  trees[1] = jaxvjp_call(cx, (jaxvjp_function *)gradient, args, n);
  *out = jaxvjp_tree_map(cx, rule, trees, 2);
  return 0;
}

static double number_of(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *args) {
  return jaxvjp_item(cx, jaxvjp_call(cx, f, args, 3));
}

static void print_number(const char *what, double number) {
  if (isnan(number)) printf("%s nan", what); /* %g may print a sign */
  else printf("%s %.4g", what, number);
}

/* Trains from zeros with this log1pexp; prints the loss on the way and at the end, and the share
 * that is right. */
static void train(jaxvjp_context *cx, const char *name, jaxvjp_function *log1pexp,
                  const data_set *data, int steps) {
  static const char *const keys[] = {"b", "w"};
  static const int64_t w_shape[1] = {FEATURES};
  int64_t x_shape[2];
  size_t scope = jaxvjp_scope_open(cx);
  jaxvjp_function *f = jaxvjp_function_new(cx, "loss", loss, log1pexp, NULL), *train_step;
  jaxvjp_value *items[2], *args[3], *params = NULL;
  int i;

  train_step =
      jaxvjp_jit(cx, jaxvjp_function_new(cx, "step", step, jaxvjp_grad(cx, f, NULL), NULL), NULL);
  x_shape[0] = data->rows;
  x_shape[1] = FEATURES;
  items[0] = jaxvjp_f32(cx, 0);
  items[1] = jaxvjp_full(cx, JAXVJP_F32, w_shape, 1, 0);
  jaxvjp_update(&params, jaxvjp_dict(cx, keys, items, 2));
  args[1] = jaxvjp_array(cx, JAXVJP_F32, x_shape, 2, data->features);
  args[2] = jaxvjp_array(cx, JAXVJP_F32, x_shape, 1, data->signs);

  printf("%s:", name);
  for (i = 0; i < steps && !jaxvjp_failed(cx); i++) {
    size_t inner = jaxvjp_scope_open(cx);
    args[0] = params;
    if (i == 2) print_number(" loss after 2 steps", number_of(cx, f, args));
    if (i == 3) print_number(", after 3", number_of(cx, f, args));
    jaxvjp_update(&params, jaxvjp_call(cx, train_step, args, 3));
    jaxvjp_scope_close(cx, inner, NULL);
  }
  args[0] = params;
  printf(", after %d", steps);
  print_number("", number_of(cx, f, args));
  print_number(", accuracy",
               number_of(cx, jaxvjp_function_new(cx, "accuracy", accuracy, NULL, NULL), args));
  printf("\n");
  jaxvjp_release(params);
  jaxvjp_scope_close(cx, scope, NULL);
}

int main(int argc, char **argv) {
  static data_set data;
  int steps = argc > 1 ? atoi(argv[1]) : 5000;
  const char *path = argc > 2 ? argv[2] : "examples/data/wdbc.csv";
  jaxvjp_context *cx = jaxvjp_context_new(NULL);
  jaxvjp_function *autodiff = jaxvjp_function_new(cx, "plain", plain, NULL, NULL);
  jaxvjp_function *log1pexp = jaxvjp_custom_vjp(cx, "log1pexp", fwd, bwd, NULL, NULL, NULL);
  jaxvjp_function *wrong = jaxvjp_custom_vjp(cx, "wrong", fwd, wrong_bwd, NULL, NULL, NULL);
  jaxvjp_value *z = jaxvjp_f32(cx, 1);
  int32_t failed;

  if (!read_csv(path, &data)) {
    fprintf(stderr, "%s: cannot read rows of a label and %d features\n", path, FEATURES);
    jaxvjp_context_free(cx);
    return 1;
  }
  printf("%d rows of %d features\n", (int)data.rows, FEATURES);
  train(cx, "plain autodiff", autodiff, &data, steps);
  train(cx, "with the rule", log1pexp, &data, steps);

  jaxvjp_check_vjp(cx, log1pexp, &z, 1, NULL);
  if (!jaxvjp_failed(cx) && jaxvjp_check_vjp(cx, wrong, &z, 1, NULL) == JAXVJP_CHECK) {
    printf("as expected: %s\n", jaxvjp_error_text(cx)); /* ... got 0.632121, expected 0.731059 */
    jaxvjp_clear_error(cx);
  }
  failed = jaxvjp_failed(cx);
  if (failed) fprintf(stderr, "%s\n", jaxvjp_error_text(cx));
  jaxvjp_context_free(cx);
  return failed != 0;
}
