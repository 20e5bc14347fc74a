/* jaxvjp.h - the C interface of libjaxvjp: derivatives of numerical programs, with rules of your own.
 *
 * CONVENTIONS. Every declaration below follows these; what it says is only what is particular to it.
 *
 *  1. CONTEXT FIRST. Every call that creates or computes takes a context. Nothing is per-thread and no state is global. A
 *     callback's context is a view of its caller's: error, location and thread are shared; the trace that records and the
 *     innermost scope are its own, until the callback returns. A context serves one thread at a time and may move between
 *     threads; give each concurrent thread, goroutine or task its own with jaxvjp_context_fork (cheap: pool, allocator
 *     and caches are shared). Every other handle is immutable and may be used from any thread, with any context of the
 *     same session.
 *
 *  2. FAILURE is NULL (handles, strings), non-zero (int32_t status), or NaN (jaxvjp_item), and the error waits on the
 *     context. A context that has failed does nothing more: calls that create or compute return at once, so expressions
 *     nest and one check at the end suffices. Retaining, releasing, closing scopes and reading errors still work. A NULL
 *     operand without a failure behind it is INVALID_ARGUMENT: a forgotten value never becomes a number. Functions
 *     without a context answer NULL with 0, NULL or nothing. (item_i64 and scope_open fail as 0, is_needed, is_perturbed
 *     and stat as -1.)
 *
 *  3. OWNERSHIP. A handle or string returned by a call with a context lives in the context's innermost *scope*. A
 *     callback has a scope of its own, which also holds its arguments; jaxvjp_scope_open brackets loops. To hold a handle
 *     longer, _retain it and _release it later (counted, atomic, any thread, any order, finalizers; NULL is fine). Two
 *     more verbs are for bindings: _take turns the scope's reference into yours (O(1), on the context's thread), and
 *     jaxvjp_give turns yours into the scope's. Arguments are borrowed for the call. Handles hold what they need: a
 *     retained value may outlive its context. A retained handle answers for ever (a tracer of a finished trace:
 *     STALE_TRACER). A handle that only its closed scope held is gone, as after free(); contexts made with
 *     JAXVJP_CHECK_HANDLES recognise it and name the scope.
 *
 *  4. CONSUMED are only a (user, destroy) or (pointer, destroy) pair, a DLPack tensor, and an error given to
 *     jaxvjp_fail_with: also when the call fails. destroy runs exactly once, on any thread, and must not call back.
 *
 *  5. CALLBACKS are (context, user, inputs, outputs), return 0 or an error code, and write handles into outputs that are
 *     preset to NULL. 0 with an output unset is an error that names callback and output. Explain a failure with `return
 *     jaxvjp_fail(cx, code, "...")`. No exception, panic or longjmp may leave a callback. No lock is held: a callback may
 *     call anything, transformations included. All callbacks run on the thread that called the library.
 *
 *  6. WHEN CALLBACKS RUN. To differentiate, vectorise or compile a function, the library calls it and records what it
 *     does. It may call it any number of times: a callback must be a function of its arguments (what it reads through
 *     `user` is read when it is recorded). Programs are cached on the base function; one that captured a value of an
 *     enclosing trace is used once and never cached. Equations hold a rule's callbacks (user, destroy), never the
 *     function with its cache: destroy runs when the last handle, program, pullback or cache entry is gone. No lock is
 *     held while recording: two threads may record one function at once, and the first program wins. Outside jit, vmap
 *     and control flow, values carry their numbers: is_concrete is 1, and read, item and truth work. A floating value
 *     that is being differentiated shows its numbers to nobody but jaxvjp_truth of a comparison and jaxvjp_to_string:
 *     reading it would lose its derivative (CONCRETE). In `fwd` and `primal` the arguments are not being differentiated
 *     at that level, so an opaque solver may read them.
 *
 *  7. RECORDING. A tracer used with a context that does not hold its trace is STALE_TRACER; a value of another session is
 *     INVALID_ARGUMENT. An operation belongs to the innermost trace among its context and its operands; under jit, vmap
 *     and control flow everything done with the callback's context is recorded, outside them it runs at once. (The outer
 *     context runs concrete operands at once even there.) A callback may use values of an enclosing trace: they become
 *     hidden inputs, and derivatives flow to them. A rule's fwd and bwd may too, except values that the rule's own caller
 *     is differentiating (CLOSURE_DIFF: pass them as arguments).
 *
 *  8. OPTIONS. A struct of options starts with size_t struct_size, only ever grows at its end, means "default" where
 *     zero, and is passed by pointer; NULL is all defaults. A larger struct with a non-zero tail is ABI_MISMATCH.
 *
 *  9. PLAIN TYPES. Codes are int32_t with pinned numbers; counts size_t; shapes and axes int64_t (negative axes count
 *     from the end); an array is a pointer followed by its length; strings are UTF-8, NUL-terminated, copied.
 *
 * 10. LOCATION. jaxvjp_set_location puts your file and line on the equations and errors that follow.
 */
#ifndef JAXVJP_JAXVJP_H
#define JAXVJP_JAXVJP_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && !defined(JAXVJP_STATIC)
#  ifdef JAXVJP_BUILDING
#    define JAXVJP_EXPORT __declspec(dllexport)
#  else
#    define JAXVJP_EXPORT __declspec(dllimport)
#  endif
#elif defined(__GNUC__)
#  define JAXVJP_EXPORT __attribute__((visibility("default")))
#else
#  define JAXVJP_EXPORT
#endif
#define JAXVJP_API(type) JAXVJP_EXPORT type

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------- types and codes */

typedef struct jaxvjp_context jaxvjp_context;       /* a session; in a callback, the trace being recorded */
typedef struct jaxvjp_value jaxvjp_value;           /* a pytree: an array, tracer or spec, a container, an opaque leaf */
typedef struct jaxvjp_function jaxvjp_function;     /* anything that can be called and transformed */
typedef struct jaxvjp_jaxpr jaxvjp_jaxpr;           /* a closed, typed program together with the rules it uses */
typedef struct jaxvjp_error jaxvjp_error;           /* code, message, location, notes, foreign payload */

typedef void (*jaxvjp_destroy_fn)(void *user);

enum { /* dtype = (DLPack code << 8) | bits */
  JAXVJP_I8 = 0x008, JAXVJP_I16 = 0x010, JAXVJP_I32 = 0x020, JAXVJP_I64 = 0x040,
  JAXVJP_U8 = 0x108, JAXVJP_U16 = 0x110, JAXVJP_U32 = 0x120, JAXVJP_U64 = 0x140,
  JAXVJP_F16 = 0x210, JAXVJP_F32 = 0x220, JAXVJP_F64 = 0x240, JAXVJP_BF16 = 0x410, JAXVJP_BOOL = 0x608,
  JAXVJP_FLOAT0 = 0xff00 /* no bits: the tangent type of integers and booleans */
};

enum { /* kinds of value */
  JAXVJP_ARRAY = 1, JAXVJP_SPEC = 2, JAXVJP_ZERO = 3, JAXVJP_NONE = 4, JAXVJP_TUPLE = 5, JAXVJP_LIST = 6,
  JAXVJP_DICT = 7, JAXVJP_OPAQUE = 8, JAXVJP_FUNCTION = 9
};

/* Error codes: 1-99 general, 100- of this library. Numbers never change. Reserved: 1, 12, 120, 122, 125. */
enum {
  JAXVJP_OK = 0, JAXVJP_INVALID_ARGUMENT = 3, JAXVJP_NOT_FOUND = 5, JAXVJP_OUT_OF_MEMORY = 8, JAXVJP_INTERNAL = 13,
  JAXVJP_SHAPE = 100, JAXVJP_DTYPE = 101, JAXVJP_TREE = 102, JAXVJP_CONCRETE = 103, JAXVJP_STALE_TRACER = 104,
  JAXVJP_NO_RULE = 105, JAXVJP_FWD_MODE = 106, JAXVJP_NO_TRANSPOSE = 107, JAXVJP_CLOSURE_DIFF = 108,
  JAXVJP_FWD_UNSET = 109, JAXVJP_FWD_TREE = 110, JAXVJP_FWD_AVAL = 111, JAXVJP_BWD_UNSET = 112, JAXVJP_BWD_TREE = 113,
  JAXVJP_BWD_AVAL = 114, JAXVJP_CT_TREE = 115, JAXVJP_CT_AVAL = 116, JAXVJP_NOT_SCALAR = 117, JAXVJP_IN_DTYPE = 118,
  JAXVJP_OUT_DTYPE = 119, JAXVJP_CALLBACK = 121, JAXVJP_CHECK = 123, JAXVJP_PARSE = 124, JAXVJP_ABI_MISMATCH = 126
};

#define JAXVJP_AXIS_NONE INT64_MIN /* vmap: this argument is not mapped */

/* ------------------------------------------------------------------------------------------- library */

JAXVJP_API(uint32_t) jaxvjp_version(void);                       /* major * 1000000 + minor * 1000 + patch */
JAXVJP_API(uint32_t) jaxvjp_abi(void);                           /* bindings check it once, at load */
JAXVJP_API(const char *) jaxvjp_build_info(void);                /* compiler, instruction set, BLAS */

/* ------------------------------------------------------------------------------------------- context and scopes */

typedef struct jaxvjp_context_options {
  size_t struct_size;
  int32_t flags;
  void *(*alloc)(void *user, size_t size, size_t align);         /* array buffers and scratch; NULL = the library's pool */
  void (*dealloc)(void *user, void *pointer, size_t size);
  void *user;
} jaxvjp_context_options;
enum { JAXVJP_CHECK_HANDLES = 1 /* 2 is reserved */ };

/* A new session. NULL only when memory is out. */
JAXVJP_API(jaxvjp_context *) jaxvjp_context_new(const jaxvjp_context_options *options);
/* Another context of the same session, for another thread; free it too. */
JAXVJP_API(jaxvjp_context *) jaxvjp_context_fork(jaxvjp_context *cx);
/* Closes its scopes and forgets its error. Retained handles stay valid. NULL is fine. */
JAXVJP_API(void) jaxvjp_context_free(jaxvjp_context *cx);

JAXVJP_API(size_t) jaxvjp_scope_open(jaxvjp_context *cx);
/* Closes the scope and those opened after it; `survivor` (or NULL) moves to the enclosing scope and is returned. */
JAXVJP_API(jaxvjp_value *) jaxvjp_scope_close(jaxvjp_context *cx, size_t scope, jaxvjp_value *survivor);

JAXVJP_API(void) jaxvjp_set_location(jaxvjp_context *cx, const char *file, int32_t line);

enum { JAXVJP_STAT_VALUES, JAXVJP_STAT_BYTES, JAXVJP_STAT_TRACES, JAXVJP_STAT_COMPILES, JAXVJP_STAT_CALLBACKS };
/* Live values and bytes, traces made, programs compiled, callbacks run, of the whole session. */
JAXVJP_API(int64_t) jaxvjp_stat(jaxvjp_context *cx, int32_t which);

/* ------------------------------------------------------------------------------------------- errors */

JAXVJP_API(int32_t) jaxvjp_failed(const jaxvjp_context *cx);                /* the waiting error's code, or 0 */
JAXVJP_API(const char *) jaxvjp_error_text(const jaxvjp_context *cx);       /* all of it, or ""; until cleared */
JAXVJP_API(void) jaxvjp_clear_error(jaxvjp_context *cx);
JAXVJP_API(jaxvjp_error *) jaxvjp_take_error(jaxvjp_context *cx);           /* yours; the context is usable again */
/* Makes the context fail, unless it has. Returns the code, so that `return jaxvjp_fail(...)` ends a callback. */
JAXVJP_API(int32_t) jaxvjp_fail(jaxvjp_context *cx, int32_t code, const char *message);
JAXVJP_API(int32_t) jaxvjp_fail_with(jaxvjp_context *cx, jaxvjp_error *error);
/* An error that carries a foreign object (panic, exception, Go error) through every nesting to the outer caller. */
JAXVJP_API(jaxvjp_error *) jaxvjp_error_new(int32_t code, const char *message, const void *tag, void *payload,
                                            jaxvjp_destroy_fn destroy);
JAXVJP_API(int32_t) jaxvjp_error_code(const jaxvjp_error *error);
JAXVJP_API(const char *) jaxvjp_error_message(const jaxvjp_error *error);   /* one line */
JAXVJP_API(const char *) jaxvjp_error_file(const jaxvjp_error *error, int32_t *line);
JAXVJP_API(const char *) jaxvjp_error_note(const jaxvjp_error *error, size_t i); /* innermost first; NULL past the end */
/* The payload, now yours, if it was made with `tag`; else NULL. */
JAXVJP_API(void *) jaxvjp_error_take_payload(jaxvjp_error *error, const void *tag);
JAXVJP_API(void) jaxvjp_error_free(jaxvjp_error *error);

/* ------------------------------------------------------------------------------------------- ownership */

/* One more reference, which is yours. Returns v. */
JAXVJP_API(jaxvjp_value *) jaxvjp_retain(jaxvjp_value *v);
/* Gives one of yours back. */
JAXVJP_API(void) jaxvjp_release(jaxvjp_value *v);
/* The scope's reference becomes yours: retain without leaving the handle in the scope. Returns v. */
JAXVJP_API(jaxvjp_value *) jaxvjp_take(jaxvjp_value *v);
/* Yours becomes the innermost scope's: how a binding returns a value from a callback. Returns v. */
JAXVJP_API(jaxvjp_value *) jaxvjp_give(jaxvjp_context *cx, jaxvjp_value *v);
/* *held = retain(next), and the old one is released: the carry of a loop. When next is NULL nothing changes. */
JAXVJP_API(void) jaxvjp_update(jaxvjp_value **held, jaxvjp_value *next);
JAXVJP_API(jaxvjp_function *) jaxvjp_function_retain(jaxvjp_function *f);
JAXVJP_API(jaxvjp_function *) jaxvjp_function_take(jaxvjp_function *f);
JAXVJP_API(void) jaxvjp_function_release(jaxvjp_function *f);
JAXVJP_API(jaxvjp_jaxpr *) jaxvjp_jaxpr_retain(jaxvjp_jaxpr *j);
JAXVJP_API(jaxvjp_jaxpr *) jaxvjp_jaxpr_take(jaxvjp_jaxpr *j);
JAXVJP_API(void) jaxvjp_jaxpr_release(jaxvjp_jaxpr *j);

/* ------------------------------------------------------------------------------------------- arrays */

/* A copy of row-major `data`. */
JAXVJP_API(jaxvjp_value *) jaxvjp_array(jaxvjp_context *cx, int32_t dtype, const int64_t *shape, size_t ndim,
                                        const void *data);
/* Your memory, read in place until destroy(user); strides in elements, NULL = row-major. Do not write to it. */
JAXVJP_API(jaxvjp_value *) jaxvjp_array_adopt(jaxvjp_context *cx, int32_t dtype, const int64_t *shape, size_t ndim,
                                              const int64_t *strides, const void *data, void *user,
                                              jaxvjp_destroy_fn destroy);
/* A number without a dtype, of rank 0. It takes the dtype of the array operands of its operation, or that of a port of known
 * type (a bwd slot, a cotangent, a tangent); it stays a number through no operation: numbers alone, as argument, output or
 * leaf, are f64[]. DTYPE when that cannot hold it (a fraction or out of range for integers, overflow for floats). */
JAXVJP_API(jaxvjp_value *) jaxvjp_number(jaxvjp_context *cx, double number);
JAXVJP_API(jaxvjp_value *) jaxvjp_f32(jaxvjp_context *cx, float number);
JAXVJP_API(jaxvjp_value *) jaxvjp_f64(jaxvjp_context *cx, double number);
JAXVJP_API(jaxvjp_value *) jaxvjp_i64(jaxvjp_context *cx, int64_t number);
JAXVJP_API(jaxvjp_value *) jaxvjp_spec(jaxvjp_context *cx, int32_t dtype, const int64_t *shape, size_t ndim); /* no data */

JAXVJP_API(int32_t) jaxvjp_dtype(const jaxvjp_value *v);              /* 0 when v is not an array, tracer or spec */
JAXVJP_API(size_t) jaxvjp_ndim(const jaxvjp_value *v);
JAXVJP_API(const int64_t *) jaxvjp_shape(const jaxvjp_value *v);      /* borrowed from v */
JAXVJP_API(size_t) jaxvjp_size(const jaxvjp_value *v);                /* elements */
JAXVJP_API(int32_t) jaxvjp_is_concrete(const jaxvjp_value *v);        /* has it numbers? */
JAXVJP_API(const void *) jaxvjp_data(jaxvjp_context *cx, jaxvjp_value *v); /* compact row-major, borrowed from v */
JAXVJP_API(int32_t) jaxvjp_read(jaxvjp_context *cx, jaxvjp_value *v, void *destination, size_t bytes);
JAXVJP_API(double) jaxvjp_item(jaxvjp_context *cx, jaxvjp_value *v);  /* of one element; NaN on failure */
JAXVJP_API(int64_t) jaxvjp_item_i64(jaxvjp_context *cx, jaxvjp_value *v);
JAXVJP_API(int32_t) jaxvjp_truth(jaxvjp_context *cx, jaxvjp_value *v); /* of one bool: 1 or 0; -1 on failure */
JAXVJP_API(const char *) jaxvjp_to_string(jaxvjp_context *cx, jaxvjp_value *v);

/* ------------------------------------------------------------------------------------------- pytrees */

JAXVJP_API(jaxvjp_value *) jaxvjp_none(jaxvjp_context *cx);           /* an empty subtree, not a zero */
JAXVJP_API(jaxvjp_value *) jaxvjp_tuple(jaxvjp_context *cx, jaxvjp_value *const *items, size_t n);
JAXVJP_API(jaxvjp_value *) jaxvjp_list(jaxvjp_context *cx, jaxvjp_value *const *items, size_t n);
/* Keys are unique; a dict's order is that of its keys' bytes. */
JAXVJP_API(jaxvjp_value *) jaxvjp_dict(jaxvjp_context *cx, const char *const *keys, jaxvjp_value *const *items, size_t n);
/* A leaf that is carried and never computed with: as a residual, from fwd to bwd; constant under jit and vmap. */
JAXVJP_API(jaxvjp_value *) jaxvjp_opaque(jaxvjp_context *cx, void *pointer, jaxvjp_destroy_fn destroy);
/* A function (a pullback, say) as a leaf; the traced values it captures are its array leaves. */
JAXVJP_API(jaxvjp_value *) jaxvjp_from_function(jaxvjp_context *cx, jaxvjp_function *f);
JAXVJP_API(jaxvjp_function *) jaxvjp_as_function(jaxvjp_context *cx, jaxvjp_value *v);
JAXVJP_API(void *) jaxvjp_as_pointer(jaxvjp_context *cx, jaxvjp_value *v);

JAXVJP_API(int32_t) jaxvjp_kind(const jaxvjp_value *v);
JAXVJP_API(size_t) jaxvjp_count(const jaxvjp_value *v);               /* items of a container; 0 for a leaf */
JAXVJP_API(const char *) jaxvjp_key(const jaxvjp_value *v, size_t i); /* of a dict's i-th item */
JAXVJP_API(jaxvjp_value *) jaxvjp_get(jaxvjp_context *cx, jaxvjp_value *v, size_t i);
JAXVJP_API(jaxvjp_value *) jaxvjp_lookup(jaxvjp_context *cx, jaxvjp_value *dict, const char *key);
/* Leaves are arrays, tracers, specs, zeros, and the arrays that a pullback or linear function holds. Opaque pointers and base
 * functions are structure, compared by identity: jit keys on them, vmap and scan treat them as constants. */
JAXVJP_API(size_t) jaxvjp_leaf_count(const jaxvjp_value *v);
JAXVJP_API(jaxvjp_value *) jaxvjp_leaf(jaxvjp_context *cx, jaxvjp_value *v, size_t i);
JAXVJP_API(jaxvjp_value *) jaxvjp_unflatten(jaxvjp_context *cx, jaxvjp_value *like, jaxvjp_value *const *leaves, size_t n);
JAXVJP_API(int32_t) jaxvjp_same_structure(const jaxvjp_value *a, const jaxvjp_value *b);
/* f(leaf of trees[0], leaf of trees[1], ...) for every leaf; all trees have one structure. */
JAXVJP_API(jaxvjp_value *) jaxvjp_tree_map(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *trees, size_t n);
JAXVJP_API(jaxvjp_value *) jaxvjp_zeros_like(jaxvjp_context *cx, jaxvjp_value *v);   /* arrays of zeros */
/* "No derivative": stands in bwd's outputs for a whole argument or for any subtree of it. */
JAXVJP_API(jaxvjp_value *) jaxvjp_zero(jaxvjp_context *cx);
/* A zero that has no array. One handed to bwd answers dtype, ndim and shape of its output; jaxvjp_zero() answers 0. */
JAXVJP_API(int32_t) jaxvjp_is_zero(const jaxvjp_value *v);

/* ------------------------------------------------------------------------------------------- functions */

typedef int32_t (*jaxvjp_call_fn)(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n, jaxvjp_value **out);

JAXVJP_API(jaxvjp_function *) jaxvjp_function_new(jaxvjp_context *cx, const char *name, jaxvjp_call_fn callback,
                                                  void *user, jaxvjp_destroy_fn destroy);
JAXVJP_API(jaxvjp_function *) jaxvjp_function_of(jaxvjp_context *cx, jaxvjp_jaxpr *j);
JAXVJP_API(jaxvjp_value *) jaxvjp_call(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *args, size_t n);
JAXVJP_API(jaxvjp_value *) jaxvjp_call1(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *x);
JAXVJP_API(jaxvjp_value *) jaxvjp_call2(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *x, jaxvjp_value *y);

/* Transformations of functions. They run nothing: the work happens in jaxvjp_call. The result is the pair (f, what was
 * asked), and compiled programs are cached on f: making the same transformation again, in a loop say, costs nothing. */

typedef struct jaxvjp_grad_options {
  size_t struct_size;
  const int64_t *argnums;      /* NULL: argument 0, whose gradient comes bare; else a tuple, one gradient an entry */
  size_t n_argnums;
  int32_t flags;
} jaxvjp_grad_options;
/* HAS_AUX: f returns (loss, aux), aux any pytree: grad and the Jacobians give (derivative, aux), value_and_grad
 * ((loss, aux), gradient). A Jacobian is the tree of the output, each leaf a tree of the argument, of shape out + in. */
enum { JAXVJP_HAS_AUX = 1, JAXVJP_ALLOW_INT = 2 };

typedef struct jaxvjp_vmap_options {
  size_t struct_size;
  const int64_t *in_axes;      /* one an argument, for all its leaves; NULL: 0 for each; JAXVJP_AXIS_NONE: not mapped */
  size_t n_in_axes;
  int64_t out_axis;            /* for every output leaf; outputs that are not mapped are broadcast */
  int64_t axis_size;           /* 0: that of the mapped arguments */
} jaxvjp_vmap_options;

typedef struct jaxvjp_jit_options {
  size_t struct_size;
  int32_t flags;               /* must be 0 */
} jaxvjp_jit_options;

JAXVJP_API(jaxvjp_function *) jaxvjp_jit(jaxvjp_context *cx, jaxvjp_function *f, const jaxvjp_jit_options *options);
JAXVJP_API(jaxvjp_function *) jaxvjp_grad(jaxvjp_context *cx, jaxvjp_function *f, const jaxvjp_grad_options *options);
/* (value, gradient) */
JAXVJP_API(jaxvjp_function *) jaxvjp_value_and_grad(jaxvjp_context *cx, jaxvjp_function *f,
                                                    const jaxvjp_grad_options *options);
JAXVJP_API(jaxvjp_function *) jaxvjp_vmap(jaxvjp_context *cx, jaxvjp_function *f, const jaxvjp_vmap_options *options);
JAXVJP_API(jaxvjp_function *) jaxvjp_jacfwd(jaxvjp_context *cx, jaxvjp_function *f, const jaxvjp_grad_options *options);
JAXVJP_API(jaxvjp_function *) jaxvjp_jacrev(jaxvjp_context *cx, jaxvjp_function *f, const jaxvjp_grad_options *options);
/* Forward over reverse; reverse over reverse where a rule has no forward mode. */
JAXVJP_API(jaxvjp_function *) jaxvjp_hessian(jaxvjp_context *cx, jaxvjp_function *f, const jaxvjp_grad_options *options);

/* At a point. Each returns f's value. */
JAXVJP_API(jaxvjp_value *) jaxvjp_jvp(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *primals,
                                      jaxvjp_value *const *tangents, size_t n, jaxvjp_value **tangent_out);
/* *pullback(ct) is a tuple with one cotangent an argument; it may be called many times. */
JAXVJP_API(jaxvjp_value *) jaxvjp_vjp(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *args, size_t n,
                                      jaxvjp_function **pullback);
JAXVJP_API(jaxvjp_value *) jaxvjp_linearize(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *args, size_t n,
                                            jaxvjp_function **linear);
JAXVJP_API(jaxvjp_function *) jaxvjp_linear_transpose(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *specs,
                                                      size_t n);

/* ------------------------------------------------------------------------------------------- custom rules, traced */

/* Writes the outputs and any pytree of residuals (arrays, numbers, opaque pointers, functions). */
typedef int32_t (*jaxvjp_fwd_fn)(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n, jaxvjp_value **out,
                                 jaxvjp_value **residuals);
/* Writes one cotangent an argument, of that argument's structure, shapes and dtypes, or jaxvjp_zero for none. Slots of
 * arguments without floating leaves, and those that are not needed, may stay unset. */
typedef int32_t (*jaxvjp_bwd_fn)(jaxvjp_context *cx, void *user, jaxvjp_value *residuals, jaxvjp_value *ct,
                                 jaxvjp_value **arg_cts, size_t n);
typedef int32_t (*jaxvjp_jvp_fn)(jaxvjp_context *cx, void *user, jaxvjp_value *const *primals, jaxvjp_value *const *tangents,
                                 size_t n, jaxvjp_value **out, jaxvjp_value **tangent_out);

typedef struct jaxvjp_custom_vjp_options {
  size_t struct_size;
  jaxvjp_call_fn primal;       /* runs where nothing is differentiated; NULL: fwd without its residuals */
  jaxvjp_jvp_fn jvp;           /* forward mode; NULL: see `forward` */
  int32_t forward;
  int32_t flags;
  const char *const *arg_names; /* for errors and printing */
  size_t n_arg_names;
} jaxvjp_custom_vjp_options;
enum { JAXVJP_FORWARD_REFUSE = 0, JAXVJP_FORWARD_TRANSPOSE_BWD = 1 };
enum {
  JAXVJP_SYMBOLIC_ZEROS = 1,   /* bwd sees jaxvjp_is_zero cotangents instead of arrays of zeros */
  JAXVJP_RUN_ON_ZERO = 2,      /* run bwd even where every cotangent is such a zero */
  JAXVJP_WIDEN = 4             /* a cotangent of wider floating dtype is rounded once to its argument's */
};

/* f with a derivative of your own, honoured under every mixture of transformations. fwd that calls jaxvjp_self keeps
 * the rule at second order; fwd that does not is differentiated as it stands. */
JAXVJP_API(jaxvjp_function *) jaxvjp_custom_vjp(jaxvjp_context *cx, const char *name, jaxvjp_fwd_fn fwd, jaxvjp_bwd_fn bwd,
                                                void *user, jaxvjp_destroy_fn destroy,
                                                const jaxvjp_custom_vjp_options *options);
JAXVJP_API(jaxvjp_function *) jaxvjp_custom_jvp(jaxvjp_context *cx, const char *name, jaxvjp_call_fn primal,
                                                jaxvjp_jvp_fn jvp, void *user, jaxvjp_destroy_fn destroy);

/* Inside a rule. */
JAXVJP_API(jaxvjp_function *) jaxvjp_self(jaxvjp_context *cx);                     /* the function whose rule runs */
JAXVJP_API(int32_t) jaxvjp_is_perturbed(jaxvjp_context *cx, const jaxvjp_value *v); /* fwd: is any leaf of this argument? */
JAXVJP_API(int32_t) jaxvjp_is_needed(jaxvjp_context *cx, size_t arg);              /* bwd: will anyone use this slot? */

/* ------------------------------------------------------------------------------------------- jaxprs */

/* Remembers the structures (function_of returns them). Capturing a value of a live trace is INVALID_ARGUMENT. */
JAXVJP_API(jaxvjp_jaxpr *) jaxvjp_make_jaxpr(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *specs, size_t n);
JAXVJP_API(const char *) jaxvjp_jaxpr_text(jaxvjp_context *cx, jaxvjp_jaxpr *j);
JAXVJP_API(jaxvjp_jaxpr *) jaxvjp_parse(jaxvjp_context *cx, const char *text);
JAXVJP_API(size_t) jaxvjp_jaxpr_count(const jaxvjp_jaxpr *j, const char *primitive); /* equations of it, nested; NULL: all */
JAXVJP_API(jaxvjp_jaxpr *) jaxvjp_simplify(jaxvjp_context *cx, jaxvjp_jaxpr *j);
/* ------------------------------------------------------------------------------------------- checks */

typedef struct jaxvjp_check_options {
  size_t struct_size;
  int32_t order;               /* 1 (default) or 2 */
  uint32_t seed;
  double tolerance;            /* relative; 0: by dtype */
  int32_t flags;
} jaxvjp_check_options;
enum { JAXVJP_CHECK_NONLINEAR_OK = 1 }; /* a bwd that is not linear in ct (clipping) is not reported */
/* Compares f's derivative at args with differences, fwd's value with primal's, and tests that bwd is linear. 0, or CHECK with
 * a report that names rule, argument, path, worst element and both numbers. */
JAXVJP_API(int32_t) jaxvjp_check_vjp(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *args, size_t n,
                                     const jaxvjp_check_options *options);

/* ------------------------------------------------------------------------------------------- operations */

/* Any primitive by name, its parameters in the printed form ("axes=(0,)"); several results come as a tuple. */
JAXVJP_API(jaxvjp_value *) jaxvjp_bind(jaxvjp_context *cx, const char *primitive, jaxvjp_value *const *operands, size_t n,
                                       const char *params);

#ifdef __cplusplus
}
#endif

#include "ops.h" /* one function a primitive or NumPy-like helper; generated */

#endif
