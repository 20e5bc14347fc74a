/* A network with parameters in a dict, trained for 10,000 compiled steps in flat memory.
 *
 *   train_mlp [STEPS] */
#include <jaxvjp/jaxvjp.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct { /* what the step is made of; borrowed by the callbacks below */
  jaxvjp_function *value_and_grad, *descend;
} training;

/* mean((w2 tanh(w1 x + b1) + b2 - y)^2) */
static int32_t loss(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                    jaxvjp_value **out) {
  jaxvjp_value *params = args[0], *x = args[1], *y = args[2], *hidden, *prediction;
  hidden = jaxvjp_matmul(cx, x, jaxvjp_lookup(cx, params, "w1"));
  hidden = jaxvjp_tanh(cx, jaxvjp_add(cx, hidden, jaxvjp_lookup(cx, params, "b1")));
  prediction = jaxvjp_matmul(cx, hidden, jaxvjp_lookup(cx, params, "w2"));
  prediction = jaxvjp_add(cx, prediction, jaxvjp_lookup(cx, params, "b2"));
  *out = jaxvjp_mean(cx, jaxvjp_square(cx, jaxvjp_sub(cx, prediction, y)), NULL, 0);
  return 0;
}

/* p - 0.05 g, for one leaf */
static int32_t descend(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                       jaxvjp_value **out) {
  *out = jaxvjp_sub(cx, args[0], jaxvjp_mul(cx, jaxvjp_number(cx, 0.05), args[1]));
  return 0;
}

/* (params, x, y) -> (loss, new params) */
static int32_t step(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                    jaxvjp_value **out) {
  const training *t = (const training *)user;
  jaxvjp_value *result = jaxvjp_call(cx, t->value_and_grad, args, n), *trees[2], *pair[2];
  trees[0] = args[0];
  trees[1] = jaxvjp_get(cx, result, 1);
  pair[0] = jaxvjp_get(cx, result, 0);
  pair[1] = jaxvjp_tree_map(cx, t->descend, trees, 2);
  *out = jaxvjp_tuple(cx, pair, 2);
  return 0;
}

static jaxvjp_value *weights(jaxvjp_context *cx, uint64_t seed, int64_t rows, int64_t columns) {
  int64_t shape[2];
  shape[0] = rows;
  shape[1] = columns;
  return jaxvjp_random_normal(cx, jaxvjp_random_key(cx, seed), JAXVJP_F32, shape, 2);
}

int main(int argc, char **argv) {
  static const char *const names[] = {"b1", "b2", "w1", "w2"};
  static const int64_t wide[1] = {64}, narrow[1] = {1};
  jaxvjp_context *cx = jaxvjp_context_new(NULL);
  training t;
  jaxvjp_function *train;
  jaxvjp_value *items[4], *params = NULL, *x, *y;
  int32_t failed;
  int i, steps = argc > 1 ? atoi(argv[1]) : 10000;

  t.value_and_grad =
      jaxvjp_value_and_grad(cx, jaxvjp_function_new(cx, "loss", loss, NULL, NULL), NULL);
  t.descend = jaxvjp_function_new(cx, "descend", descend, NULL, NULL);
  train = jaxvjp_jit(cx, jaxvjp_function_new(cx, "step", step, &t, NULL), NULL);

  items[0] = jaxvjp_full(cx, JAXVJP_F32, wide, 1, 0);
  items[1] = jaxvjp_full(cx, JAXVJP_F32, narrow, 1, 0);
  items[2] = weights(cx, 0, 2, 64);
  items[3] = weights(cx, 1, 64, 1);
  jaxvjp_update(&params, jaxvjp_dict(cx, names, items, 4));
  x = weights(cx, 2, 256, 2);
  y = jaxvjp_sin(cx, jaxvjp_matmul(cx, x, weights(cx, 3, 2, 1)));

  for (i = 0; i < steps && !jaxvjp_failed(cx); i++) {
    size_t scope = jaxvjp_scope_open(cx);
    jaxvjp_value *args[3], *result;
    args[0] = params;
    args[1] = x;
    args[2] = y;
    result = jaxvjp_call(cx, train, args, 3);
    jaxvjp_update(&params,
                  jaxvjp_get(cx, result, 1)); /* the old parameters are released here ... */
    if (i % 1000 == 0)
      printf("%5d  loss %.5f  live %ld bytes\n", i, jaxvjp_item(cx, jaxvjp_get(cx, result, 0)),
             (long)jaxvjp_stat(cx, JAXVJP_STAT_BYTES));
    jaxvjp_scope_close(cx, scope, NULL); /* ... and everything else of this step here */
  }
  failed = jaxvjp_failed(cx);
  if (failed) fprintf(stderr, "step %d: %s\n", i, jaxvjp_error_text(cx));
  jaxvjp_release(params);
  jaxvjp_context_free(cx);
  return failed != 0;
}
