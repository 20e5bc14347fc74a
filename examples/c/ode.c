/* The pendulum  angle'' = -g/l sin(angle)  by the classical method of Runge and Kutta, 10,000 steps
 * as a scan, and the derivative of where it ends with respect to where it starts and to the length:
 * once keeping what every step's derivative needs, once in 100 checkpointed blocks of 100 steps,
 * which keep one state a block. Both give the same bits; the memory between the passes differs. */
#include <jaxvjp/jaxvjp.h>
#include <stdio.h>

enum { blocks = 100, steps_in_block = 100 };
static const double step_size = 1e-3;

static jaxvjp_value *scaled(jaxvjp_context *cx, double factor, jaxvjp_value *x) {
  return jaxvjp_mul(cx, jaxvjp_number(cx, factor), x);
}

/* (angle, speed)' of a pendulum of this length, in s and m */
static jaxvjp_value *slope(jaxvjp_context *cx, jaxvjp_value *length, jaxvjp_value *state) {
  jaxvjp_value *pull, *both[2];
  pull = scaled(cx, -9.81, jaxvjp_sin(cx, jaxvjp_get(cx, state, 0)));
  both[0] = jaxvjp_get(cx, state, 1);
  both[1] = jaxvjp_div(cx, pull, length);
  return jaxvjp_tuple(cx, both, 2);
}

/* state + h slope */
static jaxvjp_value *moved(jaxvjp_context *cx, jaxvjp_value *state, double h, jaxvjp_value *by) {
  jaxvjp_value *both[2];
  size_t i;
  for (i = 0; i < 2; i++)
    both[i] = jaxvjp_add(cx, jaxvjp_get(cx, state, i), scaled(cx, h, jaxvjp_get(cx, by, i)));
  return jaxvjp_tuple(cx, both, 2);
}

/* One step; the length of the pendulum comes through user, a value of the function around. */
static int32_t step(jaxvjp_context *cx, void *length, jaxvjp_value *const *args, size_t n,
                    jaxvjp_value **out) {
  jaxvjp_value *l = (jaxvjp_value *)length, *x = args[0], *k1, *k2, *k3, *k4, *pair[2];
  k1 = slope(cx, l, x);
  k2 = slope(cx, l, moved(cx, x, step_size / 2, k1));
  k3 = slope(cx, l, moved(cx, x, step_size / 2, k2));
  k4 = slope(cx, l, moved(cx, x, step_size, k3));
  x = moved(cx, x, step_size / 6, k1);
  x = moved(cx, x, step_size / 3, k2);
  x = moved(cx, x, step_size / 3, k3);
  pair[0] = moved(cx, x, step_size / 6, k4);
  pair[1] = jaxvjp_none(cx);
  *out = jaxvjp_tuple(cx, pair, 2);
  return 0;
}

/* The state after some steps. */
static jaxvjp_value *after(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *state,
                           int64_t times) {
  return jaxvjp_get(cx, jaxvjp_scan(cx, f, state, jaxvjp_none(cx), times, 0), 0);
}

/* (state, length) -> state after a block */
static int32_t block(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                     jaxvjp_value **out) {
  *out = after(cx, jaxvjp_function_new(cx, "step", step, args[1], NULL), args[0], steps_in_block);
  return 0;
}

typedef struct {
  jaxvjp_function *block;
  jaxvjp_value *length;
} Blocks;

static int32_t next_block(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                          jaxvjp_value **out) {
  Blocks *b = (Blocks *)user;
  jaxvjp_value *pair[2];
  pair[0] = jaxvjp_call2(cx, b->block, args[0], b->length);
  pair[1] = jaxvjp_none(cx);
  *out = jaxvjp_tuple(cx, pair, 2);
  return 0;
}

/* ((angle, speed), length) -> angle after all steps; user: NULL, or the function that does a block
 */
static int32_t swing(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                     jaxvjp_value **out) {
  jaxvjp_value *end;
  if (user) {
    Blocks b;
    b.block = (jaxvjp_function *)user;
    b.length = args[1];
    end = after(cx, jaxvjp_function_new(cx, "block", next_block, &b, NULL), args[0], blocks);
  } else {
    jaxvjp_function *f = jaxvjp_function_new(cx, "step", step, args[1], NULL);
    end = after(cx, f, args[0], blocks * steps_in_block);
  }
  *out = jaxvjp_get(cx, end, 0);
  return 0;
}

static void show(jaxvjp_context *cx, const char *how, jaxvjp_function *f,
                 jaxvjp_value *const *args) {
  int64_t before = jaxvjp_stat(cx, JAXVJP_STAT_BYTES);
  jaxvjp_function *pullback = NULL;
  jaxvjp_value *end = jaxvjp_vjp(cx, f, args, 2, &pullback), *cts;
  double kilobytes = (double)(jaxvjp_stat(cx, JAXVJP_STAT_BYTES) - before) / 1000;
  cts = jaxvjp_call1(cx, pullback, jaxvjp_f64(cx, 1));
  printf(
      "%s: angle %.9f, derivative with respect to the start %.9f, to the length %.9f; kept %.0f "
      "kB\n",
      how, jaxvjp_item(cx, end), jaxvjp_item(cx, jaxvjp_leaf(cx, cts, 0)),
      jaxvjp_item(cx, jaxvjp_get(cx, cts, 1)), kilobytes);
}

int main(void) {
  jaxvjp_context *cx = jaxvjp_context_new(NULL);
  jaxvjp_function *one = jaxvjp_function_new(cx, "block", block, NULL, NULL);
  jaxvjp_function *kept = jaxvjp_checkpoint(cx, one, JAXVJP_CHECKPOINT_NOTHING);
  jaxvjp_value *start[2], *args[2];
  int32_t failed;
  start[0] = jaxvjp_f64(cx, 2); /* rad */
  start[1] = jaxvjp_f64(cx, 0); /* rad / s */
  args[0] = jaxvjp_tuple(cx, start, 2);
  args[1] = jaxvjp_f64(cx, 0.5); /* m */
  show(cx, "all steps  ", jaxvjp_function_new(cx, "swing", swing, NULL, NULL), args);
  show(cx, "checkpoints", jaxvjp_function_new(cx, "swing", swing, kept, NULL), args);
  failed = jaxvjp_failed(cx);
  if (failed) fprintf(stderr, "%s\n", jaxvjp_error_text(cx));
  jaxvjp_context_free(cx);
  return failed != 0;
}
