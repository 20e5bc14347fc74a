/* vmap of grad of a function that closes over a traced value, inside a differentiated, compiled
 * function: the penalty  sum_i |d/dx_i loss(w, x_i)|^2  and its gradient with respect to the
 * captured w. */
#include <jaxvjp/jaxvjp.h>
#include <stdio.h>

/* x -> sum(sin(w x)); w comes through user: a tracer of the enclosing trace */
static int32_t example_loss(jaxvjp_context *cx, void *w, jaxvjp_value *const *args, size_t n,
                            jaxvjp_value **out) {
  *out = jaxvjp_sum(cx, jaxvjp_sin(cx, jaxvjp_mul(cx, (jaxvjp_value *)w, args[0])), NULL, 0);
  return 0;
}

static int32_t penalty(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                       jaxvjp_value **out) {
  jaxvjp_value *w = args[0], *xs = args[1];
  jaxvjp_function *loss = jaxvjp_function_new(cx, "example_loss", example_loss, w, NULL);
  jaxvjp_function *per_example = jaxvjp_vmap(cx, jaxvjp_grad(cx, loss, NULL), NULL);
  *out = jaxvjp_sum(cx, jaxvjp_square(cx, jaxvjp_call1(cx, per_example, xs)), NULL, 0);
  return 0;
}

int main(void) {
  static const int64_t w_shape[1] = {2}, xs_shape[2] = {3, 2};
  static const double w_data[2] = {0.5, -1}, xs_data[6] = {1, 2, 3, 4, 5, 6};
  jaxvjp_context *cx = jaxvjp_context_new(NULL);
  jaxvjp_function *f = jaxvjp_function_new(cx, "penalty", penalty, NULL, NULL);
  jaxvjp_value *args[2], *specs[2];
  int32_t failed;

  args[0] = jaxvjp_array(cx, JAXVJP_F64, w_shape, 1, w_data);
  args[1] = jaxvjp_array(cx, JAXVJP_F64, xs_shape, 2, xs_data);
  printf("%s\n", jaxvjp_to_string(
                     cx, jaxvjp_call(cx, jaxvjp_jit(cx, jaxvjp_grad(cx, f, NULL), NULL), args, 2)));

  specs[0] = jaxvjp_spec(cx, JAXVJP_F64, w_shape, 1);
  specs[1] = jaxvjp_spec(cx, JAXVJP_F64, xs_shape, 2);
  printf("%s\n", jaxvjp_jaxpr_text(cx, jaxvjp_make_jaxpr(cx, f, specs, 2)));
  failed = jaxvjp_failed(cx);
  if (failed) fprintf(stderr, "%s\n", jaxvjp_error_text(cx));
  jaxvjp_context_free(cx);
  return failed != 0;
}
