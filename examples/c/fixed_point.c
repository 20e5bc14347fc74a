/* Kepler's equation E = M + e sin E says where a planet is: E, from the mean anomaly M (the time)
 * and the eccentricity e of its orbit. It has no solution in closed form, and is solved as it
 * stands, by iteration. The derivative is that of the equation: no step is kept or differentiated.
 */
#include <jaxvjp/jaxvjp.h>
#include <stdio.h>

enum { ORBITS = 4, TIMES = 5 };

static int32_t kepler(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                      jaxvjp_value **out) {
  jaxvjp_value *m = jaxvjp_get(cx, args[0], 0), *e = jaxvjp_get(cx, args[0], 1);
  *out = jaxvjp_add(cx, m, jaxvjp_mul(cx, e, jaxvjp_sin(cx, args[1])));
  return 0;
}

/* (M, e) -> E */
static int32_t anomaly(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                       jaxvjp_value **out) {
  jaxvjp_function *f = jaxvjp_function_new(cx, "kepler", kepler, NULL, NULL);
  jaxvjp_value *params = jaxvjp_tuple(cx, args, 2);
  *out = jaxvjp_fixed_point(cx, f, params, args[0], NULL);
  return 0;
}

/* (e, M, r) -> by how much the distances from the sun, 1 - e cos E, miss those that were seen */
static int32_t misfit(jaxvjp_context *cx, void *mapped, jaxvjp_value *const *args, size_t n,
                      jaxvjp_value **out) {
  jaxvjp_value *at[2], *distance;
  at[0] = args[1];
  at[1] = args[0];
  distance = jaxvjp_cos(cx, jaxvjp_call(cx, (jaxvjp_function *)mapped, at, 2));
  distance = jaxvjp_sub(cx, jaxvjp_number(cx, 1), jaxvjp_mul(cx, args[0], distance));
  *out = jaxvjp_sum(cx, jaxvjp_square(cx, jaxvjp_sub(cx, distance, args[2])), NULL, 0);
  return 0;
}

int main(void) {
  static const char *const names[ORBITS] = {"Venus", "Mars", "Mercury", "Halley"};
  static const double e[ORBITS] = {0.0068, 0.0934, 0.2056, 0.9671};
  static const int64_t axes[2] = {0, JAXVJP_AXIS_NONE}, times[1] = {TIMES};
  static const int64_t both[2] = {0, 1};
  /* Mercury, seen five times, to three digits */
  static const double when[TIMES] = {0.5, 1.5, 2.5, 3.5, 4.5};
  static const double seen[TIMES] = {0.833, 1.027, 1.177, 1.197, 1.080};
  jaxvjp_context *cx = jaxvjp_context_new(NULL);
  jaxvjp_function *f = jaxvjp_function_new(cx, "anomaly", anomaly, NULL, NULL);
  jaxvjp_grad_options of_both = {sizeof of_both, both, 2, 0};
  jaxvjp_vmap_options over_times = {sizeof over_times, axes, 2, 0, 0};
  jaxvjp_function *slopes = jaxvjp_grad(cx, f, &of_both),
                  *bend = jaxvjp_grad(cx, jaxvjp_grad(cx, f, NULL), NULL), *loss, *step, *curve;
  jaxvjp_value *at[2], *args[3], *guess = NULL;
  int32_t failed;
  int i;

  /* E, (dE/dM, dE/de), d2E/dM2 at M = 1; with s = 1 / (1 - e cos E) these are (s, s sin E) and
   * -e sin E s^3 */
  for (i = 0; i < ORBITS; i++) {
    at[0] = jaxvjp_f64(cx, 1);
    at[1] = jaxvjp_f64(cx, e[i]);
    printf("%s %s %s %s\n", names[i], jaxvjp_to_string(cx, jaxvjp_call(cx, f, at, 2)),
           jaxvjp_to_string(cx, jaxvjp_call(cx, slopes, at, 2)),
           jaxvjp_to_string(cx, jaxvjp_call(cx, bend, at, 2)));
  }

  /* An eccentricity from observations, by Newton's method on the slope of the misfit. */
  loss = jaxvjp_function_new(cx, "misfit", misfit, jaxvjp_vmap(cx, f, &over_times), NULL);
  step = jaxvjp_jit(cx, jaxvjp_grad(cx, loss, NULL), NULL);
  curve = jaxvjp_jit(cx, jaxvjp_hessian(cx, loss, NULL), NULL);
  args[0] = jaxvjp_f64(cx, 0.1);
  args[1] = jaxvjp_array(cx, JAXVJP_F64, times, 1, when);
  args[2] = jaxvjp_array(cx, JAXVJP_F64, times, 1, seen);
  for (i = 0; i < 4; i++) {
    jaxvjp_value *slope = jaxvjp_call(cx, step, args, 3);
    slope = jaxvjp_div(cx, slope, jaxvjp_call(cx, curve, args, 3));
    jaxvjp_update(&guess, jaxvjp_sub(cx, args[0], slope));
    args[0] = guess;
    printf("e = %s\n", jaxvjp_to_string(cx, guess));
  }
  failed = jaxvjp_failed(cx);
  if (failed) fprintf(stderr, "%s\n", jaxvjp_error_text(cx));
  jaxvjp_release(guess);
  jaxvjp_context_free(cx);
  return failed != 0;
}
