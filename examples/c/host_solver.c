/* A solver in C that cannot be traced: x = A^-1 b by elimination with pivoting. fwd factorises and
 * leaves its factors as state; bwd solves with their transpose, for one cotangent or for all rows
 * of a Jacobian at once, so that the Jacobian of a 100 x 100 solve costs one factorisation. */
#include <jaxvjp/jaxvjp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct factors {
  size_t n, *order; /* row order[i] of A is row i of L U */
  double *lu;       /* n x n */
} factors;

static int n_factorisations, n_backward_calls;

static void free_factors(void *state) {
  factors *f = (factors *)state;
  free(f->order);
  free(f->lu);
  free(f);
}

static void swap_rows(factors *f, size_t i, size_t j) {
  size_t k, order = f->order[i];
  f->order[i] = f->order[j];
  f->order[j] = order;
  for (k = 0; k < f->n; k++) {
    double x = f->lu[i * f->n + k];
    f->lu[i * f->n + k] = f->lu[j * f->n + k];
    f->lu[j * f->n + k] = x;
  }
}

/* NULL when memory is out; a singular matrix gives infinities. */
static factors *factorise(const double *a, size_t n) {
  factors *f = (factors *)malloc(sizeof *f);
  size_t i, j, k, best;
  if (!f) return NULL;
  f->n = n;
  f->order = (size_t *)malloc(n * sizeof *f->order);
  f->lu = (double *)malloc(n * n * sizeof *a);
  if (!f->order || !f->lu) {
    free_factors(f);
    return NULL;
  }
  n_factorisations++;
  memcpy(f->lu, a, n * n * sizeof *a);
  for (i = 0; i < n; i++) f->order[i] = i;
  for (k = 0; k < n; k++) {
    for (best = k, i = k + 1; i < n; i++)
      if (fabs(f->lu[i * n + k]) > fabs(f->lu[best * n + k])) best = i;
    swap_rows(f, k, best);
    for (i = k + 1; i < n; i++) {
      f->lu[i * n + k] /= f->lu[k * n + k];
      for (j = k + 1; j < n; j++) f->lu[i * n + j] -= f->lu[i * n + k] * f->lu[k * n + j];
    }
  }
  return f;
}

/* x = A^-1 b */
static void solve(const factors *f, const double *b, double *x) {
  size_t n = f->n, i, j;
  for (i = 0; i < n; i++)
    for (x[i] = b[f->order[i]], j = 0; j < i; j++) x[i] -= f->lu[i * n + j] * x[j];
  for (i = n; i-- > 0; x[i] /= f->lu[i * n + i])
    for (j = i + 1; j < n; j++) x[i] -= f->lu[i * n + j] * x[j];
}

/* x = A^-T b, with room for n numbers */
static void solve_transposed(const factors *f, const double *b, double *x, double *room) {
  size_t n = f->n, i, j;
  for (i = 0; i < n; room[i] /= f->lu[i * n + i], i++)
    for (room[i] = b[i], j = 0; j < i; j++) room[i] -= f->lu[j * n + i] * room[j];
  for (i = n; i-- > 0;)
    for (j = i + 1; j < n; j++) room[i] -= f->lu[j * n + i] * room[j];
  for (i = 0; i < n; i++) x[f->order[i]] = room[i];
}

static double *numbers(const jaxvjp_buffer *b) { return (double *)b->data; }

/* (A, b) -> x has b's shape and dtype. */
static int32_t shape(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n,
                     jaxvjp_value **out) {
  *out = args[1];
  return 0;
}

static int32_t fwd(jaxvjp_context *cx, void *user, const jaxvjp_buffer *const *in, size_t n_in,
                   const jaxvjp_buffer *const *out, size_t n_out, void **state) {
  factors *f = factorise(numbers(in[0]), (size_t)in[1]->shape[0]);
  if (!f) return jaxvjp_fail(cx, JAXVJP_OUT_OF_MEMORY, "no memory for the factors");
  *state = f; /* the library's now: free_factors runs when the last pullback is gone */
  solve(f, numbers(in[1]), numbers(out[0]));
  if (!isfinite(*numbers(out[0])))
    return jaxvjp_fail(cx, JAXVJP_CALLBACK, "the matrix is singular");
  return 0;
}

/* db = A^-T ct, dA = -db x^T */
static int32_t backward(const factors *f, const double *x, const double *ct, double *da,
                        double *db) {
  double *room = (double *)malloc(f->n * sizeof *room);
  size_t i, j;
  if (!room) return JAXVJP_OUT_OF_MEMORY;
  solve_transposed(f, ct, db, room);
  for (i = 0; i < f->n; i++)
    for (j = 0; j < f->n; j++) da[i * f->n + j] = -db[i] * x[j];
  free(room);
  return 0;
}

static int32_t bwd(jaxvjp_context *cx, void *user, void *state, const jaxvjp_buffer *const *in,
                   const jaxvjp_buffer *const *out, const jaxvjp_buffer *const *cts, size_t n_out,
                   const jaxvjp_buffer *const *arg_cts, size_t n_in) {
  n_backward_calls++;
  return backward((const factors *)state, numbers(out[0]), numbers(cts[0]), numbers(arg_cts[0]),
                  numbers(arg_cts[1]));
}

/* The same for a whole batch: each element has its own of what is mapped, and shares the rest. */
static int32_t batch_bwd(jaxvjp_context *cx, void *user, const jaxvjp_host_batch *batch,
                         void *const *states, const jaxvjp_buffer *const *in,
                         const jaxvjp_buffer *const *out, const jaxvjp_buffer *const *cts,
                         size_t n_out, const jaxvjp_buffer *const *arg_cts, size_t n_in) {
  int64_t k;
  n_backward_calls++;
  for (k = 0; k < batch->size; k++) {
    const factors *f = (const factors *)states[batch->states ? k : 0];
    size_t n;
    int32_t code;
    if (!f) continue; /* this element took a branch without the solve */
    n = f->n;
    code = backward(f, numbers(out[0]) + (batch->out[0] ? (size_t)k * n : 0),
                    numbers(cts[0]) + (batch->cts[0] ? (size_t)k * n : 0),
                    numbers(arg_cts[0]) + (size_t)k * n * n, numbers(arg_cts[1]) + (size_t)k * n);
    if (code) return code;
  }
  return 0;
}

static int32_t energy(jaxvjp_context *cx, void *solver, jaxvjp_value *const *args, size_t n,
                      jaxvjp_value **out) {
  jaxvjp_value *x = jaxvjp_call(cx, (jaxvjp_function *)solver, args, n);
  *out = jaxvjp_sum(cx, jaxvjp_square(cx, x), NULL, 0);
  return 0;
}

static void gradient_of_energy(jaxvjp_context *cx, jaxvjp_function *solver) {
  static const int64_t dims[2] = {2, 2}, both[2] = {0, 1};
  static const double a[4] = {4, 1, 2, 5}, b[2] = {1, 2};
  double da[4], db[2];
  jaxvjp_function *loss = jaxvjp_function_new(cx, "energy", energy, solver, NULL);
  jaxvjp_grad_options wrt = {0};
  jaxvjp_value *args[2], *result, *gradient;
  wrt.struct_size = sizeof wrt;
  wrt.argnums = both;
  wrt.n_argnums = 2;
  args[0] = jaxvjp_array(cx, JAXVJP_F64, dims, 2, a);
  args[1] = jaxvjp_array(cx, JAXVJP_F64, dims, 1, b);
  result = jaxvjp_call(cx, jaxvjp_jit(cx, jaxvjp_value_and_grad(cx, loss, &wrt), NULL), args, 2);
  gradient = jaxvjp_get(cx, result, 1);
  jaxvjp_read(cx, jaxvjp_get(cx, gradient, 0), da, sizeof da);
  jaxvjp_read(cx, jaxvjp_get(cx, gradient, 1), db, sizeof db);
  printf("energy %.6f\n", jaxvjp_item(cx, jaxvjp_get(cx, result, 0)));
  printf("dA %.8f %.8f %.7f %.7f\n", da[0], da[1], da[2], da[3]);
  printf("db %.7f %.5f\n", db[0], db[1]);
  /* A second derivative through an opaque bwd is refused, never 0. */
  jaxvjp_call(cx, jaxvjp_hessian(cx, loss, NULL), args, 2);
  printf("hessian refused: %d\n", jaxvjp_failed(cx) == JAXVJP_NO_RULE);
  jaxvjp_clear_error(cx);
}

/* dx/db is A^-1. */
static void jacobian(jaxvjp_context *cx, jaxvjp_function *solver) {
  enum { n = 100 };
  static const int64_t dims[2] = {n, n}, second = 1;
  static double a[n * n], b[n], inverse[n * n];
  double error = 0, entry;
  jaxvjp_grad_options wrt = {0};
  jaxvjp_value *args[2];
  size_t i, j, k;
  wrt.struct_size = sizeof wrt;
  wrt.argnums = &second;
  wrt.n_argnums = 1;
  for (i = 0; i < n; i++)
    for (b[i] = cos((double)i), j = 0; j < n; j++)
      a[i * n + j] = sin((double)(i * n + j)) + (i == j ? 10 : 0);
  args[0] = jaxvjp_array(cx, JAXVJP_F64, dims, 2, a);
  args[1] = jaxvjp_array(cx, JAXVJP_F64, dims, 1, b);
  n_factorisations = n_backward_calls = 0;
  args[0] = jaxvjp_get(cx, jaxvjp_call(cx, jaxvjp_jacrev(cx, solver, &wrt), args, 2), 0);
  jaxvjp_read(cx, args[0], inverse, sizeof inverse);
  for (i = 0; i < n; i++)
    for (j = 0; j < n; j++) {
      for (entry = 0, k = 0; k < n; k++) entry += a[i * n + k] * inverse[k * n + j];
      error = fmax(error, fabs(entry - (i == j)));
    }
  printf("jacobian: %d factorisation, %d backward call, A dx/db is the identity within 1e-12: %d\n",
         n_factorisations, n_backward_calls, error < 1e-12);
}

int main(void) {
  jaxvjp_context *cx = jaxvjp_context_new(NULL);
  jaxvjp_host_options rule = {0};
  jaxvjp_function *solver;
  int failed;
  rule.struct_size = sizeof rule;
  rule.bwd = bwd;
  rule.state_destroy = free_factors;
  rule.flags = JAXVJP_HOST_PURE | JAXVJP_HOST_SAVE_OUTPUTS;
  rule.batch_bwd = batch_bwd;
  solver = jaxvjp_host_function(cx, "solve", shape, fwd, NULL, NULL, &rule);
  gradient_of_energy(cx, solver);
  jacobian(cx, solver);
  failed = jaxvjp_failed(cx) != 0;
  if (failed) fprintf(stderr, "%s\n", jaxvjp_error_text(cx));
  jaxvjp_context_free(cx);
  return failed;
}
