/* A program with a rule of its own, saved by one process and differentiated by another that has no
 * source of it. Without arguments this program runs itself twice:
 *   save_load save FILE   and   save_load load FILE */
#include <jaxvjp/jaxvjp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ what only the first one knows
 */

static int32_t softplus(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                        jaxvjp_value **out) {
  *out = jaxvjp_softplus(cx, args[0]);
  return 0;
}

/* jaxvjp_self keeps the rule for the derivative of the derivative. */
static int32_t fwd(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                   jaxvjp_value **out, jaxvjp_value **residuals) {
  *out = jaxvjp_call1(cx, jaxvjp_self(cx), args[0]);
  *residuals = args[0];
  return 0;
}

/* Ten times the true derivative, so that one can see which was used. */
static int32_t bwd(jaxvjp_context *cx, void *user, jaxvjp_value *x, jaxvjp_value *ct,
                   jaxvjp_value **arg_cts, size_t n) {
  jaxvjp_value *slope = jaxvjp_mul(cx, jaxvjp_number(cx, 10), jaxvjp_logistic(cx, x));
  arg_cts[0] = jaxvjp_mul(cx, ct, slope);
  return 0;
}

static int32_t loss(jaxvjp_context *cx, void *rule, jaxvjp_value *const *args, size_t n,
                    jaxvjp_value **out) {
  *out = jaxvjp_sum(cx, jaxvjp_call1(cx, (jaxvjp_function *)rule, args[0]), NULL, 0);
  return 0;
}

static void save(jaxvjp_context *cx, const char *path) {
  static const int64_t shape[1] = {3};
  jaxvjp_custom_vjp_options options;
  jaxvjp_function *rule, *f;
  jaxvjp_value *spec = jaxvjp_spec(cx, JAXVJP_F64, shape, 1);
  const void *data;
  size_t bytes;
  FILE *file;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.primal = softplus;
  rule = jaxvjp_custom_vjp(cx, "tenfold", fwd, bwd, NULL, NULL, &options);
  f = jaxvjp_function_new(cx, "loss", loss, rule, NULL);
  data = jaxvjp_save(cx, jaxvjp_make_jaxpr(cx, f, &spec, 1), JAXVJP_SAVE_RULES, &bytes);
  if (!data) return;
  file = fopen(path, "wb");
  if (!file || fwrite(data, 1, bytes, file) != bytes)
    jaxvjp_fail(cx, JAXVJP_CALLBACK, "cannot write the file");
  if (file) fclose(file);
}

/* --------------------------------------------------------------------------- what the second does
 */

static void load(jaxvjp_context *cx, const char *path) {
  static const int64_t shape[1] = {3};
  static const double at[3] = {-1, 0, 1};
  static char data[1 << 16];
  FILE *file = fopen(path, "rb");
  size_t bytes = file ? fread(data, 1, sizeof data, file) : 0;
  jaxvjp_function *f = jaxvjp_function_of(cx, jaxvjp_load(cx, data, bytes, NULL, 0));
  jaxvjp_function *slope = jaxvjp_grad(cx, f, NULL);
  jaxvjp_value *x = jaxvjp_array(cx, JAXVJP_F64, shape, 1, at);
  const char *value = jaxvjp_to_string(cx, jaxvjp_call1(cx, f, x));
  const char *gradient = jaxvjp_to_string(cx, jaxvjp_call1(cx, slope, x));
  const char *hessian = jaxvjp_to_string(cx, jaxvjp_call1(cx, jaxvjp_hessian(cx, f, NULL), x));
  if (file) fclose(file);
  if (jaxvjp_failed(cx)) return;
  printf("loss     %s\n", value);
  printf("gradient %s\n", gradient);
  printf("hessian  %s\n", hessian);
}

/* --------------------------------------------------------------------------------------- the rest
 */

static int run(const char *program, const char *verb, const char *path) {
  char command[8192];
  snprintf(command, sizeof command, "\"%s\" %s \"%s\"", program, verb, path);
  fflush(stdout);
  return system(command) != 0;
}

int main(int argc, char **argv) {
  jaxvjp_context *cx;
  int32_t failed;
  if (argc != 3) {
    char path[4096];
    int wrong;
    if (strlen(argv[0]) > 2000) return 2;
    snprintf(path, sizeof path, "%s.saved", argv[0]);
    wrong = run(argv[0], "save", path) || run(argv[0], "load", path);
    remove(path);
    return wrong;
  }
  cx = jaxvjp_context_new(NULL);
  if (strcmp(argv[1], "save") == 0) save(cx, argv[2]);
  else load(cx, argv[2]);
  failed = jaxvjp_failed(cx);
  if (failed) fprintf(stderr, "%s\n", jaxvjp_error_text(cx));
  jaxvjp_context_free(cx);
  return failed != 0;
}
