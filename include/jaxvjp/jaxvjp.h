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
 *  4. CONSUMED are only a (user, destroy) or (pointer, destroy) pair and an error given to jaxvjp_fail_with: also when
 *     the call fails. destroy runs exactly once, on any thread, and must not call back.
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
 *     and the functions that control flow takes, values carry their numbers: is_concrete is 1, and read, item and truth
 *     work. A floating value that is being differentiated shows its numbers to nobody but jaxvjp_truth of a comparison
 *     and jaxvjp_to_string: reading it would lose its derivative (CONCRETE). In `fwd` and `primal` the arguments are not
 *     being differentiated at that level, so an opaque solver may read them.
 *
 *  7. RECORDING. A tracer used with a context that does not hold its trace is STALE_TRACER; a value of another session is
 *     INVALID_ARGUMENT. An operation belongs to the innermost trace among its context and its operands; under jit and in
 *     control flow everything done with the callback's context is recorded, outside them it runs at once. (The outer
 *     context runs concrete operands at once even there.) A callback may use values of an enclosing trace: they become
 *     hidden inputs, and derivatives flow to them. A rule's fwd and bwd may too, except values that the rule's own caller
 *     is differentiating (CLOSURE_DIFF: pass them as arguments); they run later, so what they reach through `user` is
 *     retained.
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

typedef struct jaxvjp_context jaxvjp_context;   /* a session; in a callback, the trace being recorded */
typedef struct jaxvjp_value jaxvjp_value;       /* a pytree: an array, tracer or spec, a container, an opaque leaf */
typedef struct jaxvjp_function jaxvjp_function; /* anything that can be called and transformed */
typedef struct jaxvjp_jaxpr jaxvjp_jaxpr;       /* a closed, typed program together with the rules it uses */
typedef struct jaxvjp_error jaxvjp_error;       /* code, message, location, notes, foreign payload */

typedef void (*jaxvjp_destroy_fn)(void *user); /* may be NULL wherever one is taken: there is nothing to destroy */

/* clang-format off */

/* A dtype is (DLPack code << 8) | bits. A bool is a byte, 0 or 1; f16 and bf16 are 16-bit patterns. */
enum {
  JAXVJP_I8 = 0x008, JAXVJP_I16 = 0x010, JAXVJP_I32 = 0x020, JAXVJP_I64 = 0x040,
  JAXVJP_U8 = 0x108, JAXVJP_U16 = 0x110, JAXVJP_U32 = 0x120, JAXVJP_U64 = 0x140,
  JAXVJP_F16 = 0x210, JAXVJP_F32 = 0x220, JAXVJP_F64 = 0x240, JAXVJP_BF16 = 0x410, JAXVJP_BOOL = 0x608,
  JAXVJP_FLOAT0 = 0xff00 /* no bits: the tangent type of integers and booleans */
};

/* Kinds of value. An array, a number and a tracer are all ARRAY: is_concrete tells whether there are numbers. */
enum {
  JAXVJP_ARRAY = 1, JAXVJP_SPEC = 2, JAXVJP_ZERO = 3, JAXVJP_NONE = 4, JAXVJP_TUPLE = 5, JAXVJP_LIST = 6,
  JAXVJP_DICT = 7, JAXVJP_OPAQUE = 8, JAXVJP_FUNCTION = 9
};

/* clang-format on */

/* Error codes: 1-99 general, 100- of this library. Numbers never change; 1, 12 and 125 are reserved. */
enum {
  JAXVJP_OK = 0,
  JAXVJP_INVALID_ARGUMENT = 3, /* NULL, a count, an axis, a flag or a name that cannot be; a value of another session */
  JAXVJP_NOT_FOUND = 5,        /* no such key, or no such primitive */
  JAXVJP_OUT_OF_MEMORY = 8,
  JAXVJP_INTERNAL = 13,      /* a mistake of the library: please report it */
  JAXVJP_SHAPE = 100,        /* shapes or sizes do not fit */
  JAXVJP_DTYPE = 101,        /* dtypes differ, the operation is not defined for this one, or it cannot hold a number */
  JAXVJP_TREE = 102,         /* structures differ, or a container stands where a leaf must (or the other way round) */
  JAXVJP_CONCRETE = 103,     /* numbers were asked of a value that has none, or that is being differentiated */
  JAXVJP_STALE_TRACER = 104, /* a tracer whose trace is finished, or is not one of this context's */
  JAXVJP_NO_RULE = 105,      /* an operation has no rule for this transformation */
  JAXVJP_FWD_MODE = 106,     /* forward mode met a custom_vjp function that has no forward mode */
  JAXVJP_NO_TRANSPOSE = 107, /* reverse mode met something that is not linear */
  JAXVJP_CLOSURE_DIFF = 108, /* a rule closed over a value that its caller differentiates: pass it as an argument */
  JAXVJP_FWD_UNSET = 109,    /* fwd returned 0 and left its output or its residuals NULL */
  JAXVJP_FWD_TREE = 110,     /* fwd's outputs and the primal's have different structures ... */
  JAXVJP_FWD_AVAL = 111,     /* ... or shapes or dtypes */
  JAXVJP_BWD_UNSET = 112,    /* bwd returned 0 and left the slot of a needed argument NULL */
  JAXVJP_BWD_TREE = 113,     /* a slot has another structure than its argument ... */
  JAXVJP_BWD_AVAL = 114,     /* ... or another shape or dtype */
  JAXVJP_CT_TREE = 115,      /* a cotangent given to a pullback has another structure than the output ... */
  JAXVJP_CT_AVAL = 116,      /* ... or another shape or dtype */
  JAXVJP_NOT_SCALAR = 117,   /* grad of a function whose output is not one array of rank 0 */
  JAXVJP_IN_DTYPE = 118,     /* a derivative with respect to integers or booleans */
  JAXVJP_OUT_DTYPE = 119,    /* a derivative of integers or booleans */
  JAXVJP_EFFECT = 120,       /* an effect stands where it would run more often than the program says, or is lost */
  JAXVJP_CALLBACK = 121,     /* a callback failed without a code of its own, or returned 0 with an output unset */
  JAXVJP_UNLINKED = 122,     /* a saved program calls rules that are not in it and were not given: with their names */
  JAXVJP_CHECK = 123,        /* check_vjp found the rule to be wrong, or JAXVJP_CHECK_NANS a new NaN */
  JAXVJP_PARSE = 124,        /* text is not a jaxpr, or not a parameter list: with line and column; bytes are no program */
  JAXVJP_ABI_MISMATCH = 126  /* an option that this version of the library does not know */
};

#define JAXVJP_AXIS_NONE INT64_MIN /* vmap: this argument is not mapped */

/* ------------------------------------------------------------------------------------------- library */

/* major * 1000000 + minor * 1000 + patch of the library that is running. */
JAXVJP_API(uint32_t) jaxvjp_version(void);
/* The number of the binary interface, which is that of the soname. Bindings check it once, at load. */
JAXVJP_API(uint32_t) jaxvjp_abi(void);
/* Compiler, instruction set in use, BLAS: one line, for reports. It belongs to the library. */
JAXVJP_API(const char *) jaxvjp_build_info(void);

/* ------------------------------------------------------------------------------------------- context and scopes */

/* alloc and dealloc (both, or neither) serve array buffers and scratch. They are called with `user` from any thread that
 * uses the session; alloc returns NULL when there is no memory, and what it returns is aligned to `align`, a power of two.
 * They must work until the last handle of the session is released, which may be after jaxvjp_context_free. `print` is
 * called with `user` on the thread that runs the program; `text` has no newline at its end and lives for the call. */
typedef struct jaxvjp_context_options {
  size_t struct_size;
  int32_t flags;                                           /* JAXVJP_CHECK_HANDLES, JAXVJP_CHECK_NANS */
  void *(*alloc)(void *user, size_t size, size_t align);   /* NULL: the library's own */
  void (*dealloc)(void *user, void *pointer, size_t size); /* size as it was given to alloc */
  void *user;
  void (*print)(void *user, const char *text); /* debug_print goes here; NULL: standard output, a line each */
} jaxvjp_context_options;
enum {
  /* A handle whose scope is closed is INVALID_ARGUMENT, not undefined. For debugging: handles cost a look-up each and their
   * memory is kept. */
  JAXVJP_CHECK_HANDLES = 1,
  /* An operation that makes a NaN from operands without one is CHECK (jaxvjp_fixed_point's, which says that it did not
   * converge, is none): the message names it, and the error's file and line
   * are where it was recorded or called. Everything that runs is looked at: eager operations, programs of jit, loops,
   * forward and backward passes, what rules compute; also a NaN that a select would drop later. A NaN in an array that you
   * made is none of them. For debugging: every result is read. */
  JAXVJP_CHECK_NANS = 2
};

/* A new session. NULL only when memory is out; with options that cannot be, a context that has failed. */
JAXVJP_API(jaxvjp_context *) jaxvjp_context_new(const jaxvjp_context_options *options);
/* Another context of the same session, for another thread, with no scope open and no error; free it too, in any order.
 * It may be made in a callback, but does not take part in the recording: it is a fork of the session. */
JAXVJP_API(jaxvjp_context *) jaxvjp_context_fork(jaxvjp_context *cx);
/* Closes its scopes and forgets its error. Retained handles stay valid. NULL is fine; a callback's context is not yours to
 * free (nothing happens). */
JAXVJP_API(void) jaxvjp_context_free(jaxvjp_context *cx);

/* Opens a scope: handles made from now on live in it. Returns its number, never 0, or 0 on failure. */
JAXVJP_API(size_t) jaxvjp_scope_open(jaxvjp_context *cx);
/* Closes the scope and those opened after it; `survivor` (or NULL) moves to the enclosing scope and is returned. A number
 * that is not an open scope's, or not of this callback, is INVALID_ARGUMENT and closes nothing; so 0 is, unless the
 * context has failed: a loop's brackets need no check. Works on a failed context. */
JAXVJP_API(jaxvjp_value *) jaxvjp_scope_close(jaxvjp_context *cx, size_t scope, jaxvjp_value *survivor);

/* Equations and errors that follow carry this file and line, until the next call; a callback inherits its caller's. A NULL
 * file means none. Costs nothing to speak of; `file` is copied once a session. */
JAXVJP_API(void) jaxvjp_set_location(jaxvjp_context *cx, const char *file, int32_t line);

enum { JAXVJP_STAT_VALUES, JAXVJP_STAT_BYTES, JAXVJP_STAT_TRACES, JAXVJP_STAT_COMPILES, JAXVJP_STAT_CALLBACKS };
/* Of the whole session: live values, live bytes of array buffers (adopted memory does not count); and since it began, traces
 * made, programs compiled for jit, callbacks run. -1 and INVALID_ARGUMENT for another number. */
JAXVJP_API(int64_t) jaxvjp_stat(jaxvjp_context *cx, int32_t which);

/* ------------------------------------------------------------------------------------------- errors */

/* The waiting error's code, or 0. (Of a NULL context: INVALID_ARGUMENT, since nothing was done with it.) */
JAXVJP_API(int32_t) jaxvjp_failed(const jaxvjp_context *cx);
/* All of the waiting error: message, place, then one line a note; "" when there is none. Borrowed until the error is cleared
 * or taken. */
JAXVJP_API(const char *) jaxvjp_error_text(const jaxvjp_context *cx);
/* Forgets the waiting error. The context is usable again, and the handles of its scopes are still there. */
JAXVJP_API(void) jaxvjp_clear_error(jaxvjp_context *cx);
/* The waiting error, now yours (free it, or give it to jaxvjp_fail_with); the context is usable again. NULL when none. */
JAXVJP_API(jaxvjp_error *) jaxvjp_take_error(jaxvjp_context *cx);
/* Makes the context fail, unless it has: the first error stays. `code` is one of the list or any other non-zero number (0
 * becomes CALLBACK); `message` is copied, never used as a format, NULL is "". Returns the code of the error that waits, so
 * that `return jaxvjp_fail(...)` ends a callback. */
JAXVJP_API(int32_t) jaxvjp_fail(jaxvjp_context *cx, int32_t code, const char *message);
/* The same with an error object, which is consumed: passing on what another context failed with, or one of your own. */
JAXVJP_API(int32_t) jaxvjp_fail_with(jaxvjp_context *cx, jaxvjp_error *error);
/* An error that carries a foreign object (panic, exception, Go error) through every nesting to the outer caller. `tag` is an
 * address that says what the payload is; destroy(payload) runs unless jaxvjp_error_take_payload took it. The error is yours.
 * NULL when memory is out (payload destroyed). */
JAXVJP_API(jaxvjp_error *)
jaxvjp_error_new(int32_t code, const char *message, const void *tag, void *payload, jaxvjp_destroy_fn destroy);
/* The code: JAXVJP_SHAPE ..., or the callback's own; 0 for NULL. */
JAXVJP_API(int32_t) jaxvjp_error_code(const jaxvjp_error *error);
/* One line: what was expected and what came. Borrowed from the error, as are file and notes. */
JAXVJP_API(const char *) jaxvjp_error_message(const jaxvjp_error *error);
/* Where the user's code was, by jaxvjp_set_location: the file, or NULL; its line through `line` (which may be NULL), or 0. */
JAXVJP_API(const char *) jaxvjp_error_file(const jaxvjp_error *error, int32_t *line);
/* The i-th note (equation, function, transformation, rule, callback), innermost first; NULL past the end. */
JAXVJP_API(const char *) jaxvjp_error_note(const jaxvjp_error *error, size_t i);
/* The payload, now yours, if it was made with `tag` and not taken before; else NULL. */
JAXVJP_API(void *) jaxvjp_error_take_payload(jaxvjp_error *error, const void *tag);
/* Frees an error that is yours, its payload too if nobody took it. NULL is allowed. */
JAXVJP_API(void) jaxvjp_error_free(jaxvjp_error *error);

/* ------------------------------------------------------------------------------------------- ownership */

/* One more reference, which is yours. Returns v. Like release, from any thread and without a context. */
JAXVJP_API(jaxvjp_value *) jaxvjp_retain(jaxvjp_value *v);
/* Gives one of yours back. */
JAXVJP_API(void) jaxvjp_release(jaxvjp_value *v);
/* The scope's reference becomes yours: retain without leaving the handle in the scope, for a handle that a call has just
 * returned, on its context's thread. Returns v. */
JAXVJP_API(jaxvjp_value *) jaxvjp_take(jaxvjp_value *v);
/* Yours becomes the innermost scope's: how a binding returns a value from a callback. Returns v. Consumed on failure too. */
JAXVJP_API(jaxvjp_value *) jaxvjp_give(jaxvjp_context *cx, jaxvjp_value *v);
/* *held = retain(next), and the old one is released: the carry of a loop. When next is NULL (the step failed) nothing
 * changes. Start with *held == NULL, end with jaxvjp_release(*held). */
JAXVJP_API(void) jaxvjp_update(jaxvjp_value **held, jaxvjp_value *next);
/* The same three verbs for functions and jaxprs. */
JAXVJP_API(jaxvjp_function *) jaxvjp_function_retain(jaxvjp_function *f);
JAXVJP_API(jaxvjp_function *) jaxvjp_function_take(jaxvjp_function *f);
JAXVJP_API(void) jaxvjp_function_release(jaxvjp_function *f);
JAXVJP_API(jaxvjp_jaxpr *) jaxvjp_jaxpr_retain(jaxvjp_jaxpr *j);
JAXVJP_API(jaxvjp_jaxpr *) jaxvjp_jaxpr_take(jaxvjp_jaxpr *j);
JAXVJP_API(void) jaxvjp_jaxpr_release(jaxvjp_jaxpr *j);

/* ------------------------------------------------------------------------------------------- arrays */

/* An array with a copy of `data`, which is compact and row-major. shape may be NULL where ndim is 0; sizes may be 0 (then
 * data may be NULL). INVALID_ARGUMENT for a dtype that is none or FLOAT0, or a negative size. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_array(jaxvjp_context *cx, int32_t dtype, const int64_t *shape, size_t ndim, const void *data);
/* Your memory, read in place until destroy(user); strides in elements (0 and negative ones are fine, `data` is the element
 * with index 0), NULL = row-major. Do not write to it. Strides that are not row-major are copied, and destroy runs at once. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_array_adopt(jaxvjp_context *cx, int32_t dtype, const int64_t *shape, size_t ndim, const int64_t *strides,
                   const void *data, void *user, jaxvjp_destroy_fn destroy);
/* A number without a dtype, of rank 0. It takes the dtype of the array operands of its operation, or that of a port of known
 * type (a bwd slot, a cotangent, a tangent); it stays a number through no operation: numbers alone, as argument, output or
 * leaf, are f64[]. DTYPE when that cannot hold it (a fraction or out of range for integers, overflow for floats). */
JAXVJP_API(jaxvjp_value *) jaxvjp_number(jaxvjp_context *cx, double number);
/* Arrays of rank 0: f32[], f64[], i64[]. */
JAXVJP_API(jaxvjp_value *) jaxvjp_f32(jaxvjp_context *cx, float number);
JAXVJP_API(jaxvjp_value *) jaxvjp_f64(jaxvjp_context *cx, double number);
JAXVJP_API(jaxvjp_value *) jaxvjp_i64(jaxvjp_context *cx, int64_t number);
/* Shape and dtype without data: what jaxvjp_make_jaxpr and jaxvjp_linear_transpose take. No operand of an operation. */
JAXVJP_API(jaxvjp_value *) jaxvjp_spec(jaxvjp_context *cx, int32_t dtype, const int64_t *shape, size_t ndim);

/* What a leaf is, known also where it has no numbers; inside vmap it is that of one example. A number answers F64. */
JAXVJP_API(int32_t) jaxvjp_dtype(const jaxvjp_value *v);         /* 0 when v is not an array, tracer or spec */
JAXVJP_API(size_t) jaxvjp_ndim(const jaxvjp_value *v);           /* 0 for such too */
JAXVJP_API(const int64_t *) jaxvjp_shape(const jaxvjp_value *v); /* borrowed from v; NULL for such */
JAXVJP_API(size_t) jaxvjp_size(const jaxvjp_value *v);           /* elements: 1 for rank 0; 0 for such */
JAXVJP_API(int32_t) jaxvjp_is_concrete(const jaxvjp_value *v);   /* has it numbers? Of a container: every array leaf */

/* Reading. CONCRETE for a spec, for a value that is staged or mapped, and for a floating value that is being differentiated
 * (convention 6), naming the transformation; TREE for what is no array. */
/* Compact row-major, borrowed from v; NULL on failure. (Of an array with no elements: not NULL, and not to be read.) */
JAXVJP_API(const void *) jaxvjp_data(jaxvjp_context *cx, jaxvjp_value *v);
/* Copies the elements; `bytes` must be the array's size in bytes (INVALID_ARGUMENT names both). */
JAXVJP_API(int32_t) jaxvjp_read(jaxvjp_context *cx, jaxvjp_value *v, void *destination, size_t bytes);
/* The number of an array of one element, of any dtype, rounded to double; NaN on failure. SHAPE for more elements. */
JAXVJP_API(double) jaxvjp_item(jaxvjp_context *cx, jaxvjp_value *v);
/* The same, exact, of integers and booleans (u64 wraps); 0 on failure. DTYPE for floats. */
JAXVJP_API(int64_t) jaxvjp_item_i64(jaxvjp_context *cx, jaxvjp_value *v);
/* Of an array of one bool: 1 or 0; -1 on failure. This is how a callback branches, also while it is differentiated. */
JAXVJP_API(int32_t) jaxvjp_truth(jaxvjp_context *cx, jaxvjp_value *v);
/* For people, on one line: numbers where there are any ("2.5", "[[1 2] [3 4]]"), types where not ("f64[3]"), trees with
 * their keys ("{'a': [1 2], 'b': (3, None)}"). Floats have the fewest digits that say the same number, at most 9; arrays of
 * more than 1,000 elements are shortened. Numbers that are being differentiated are shown ("Tracer<f64[2] of grad: [1 2]>").
 * The string lives in the scope. */
JAXVJP_API(const char *) jaxvjp_to_string(jaxvjp_context *cx, jaxvjp_value *v);

/* ------------------------------------------------------------------------------------------- pytrees */

/* Values are trees: arrays at the leaves, containers of any depth (to 256) above. An argument, an output, residuals and
 * cotangents may each be any tree. */
JAXVJP_API(jaxvjp_value *) jaxvjp_none(jaxvjp_context *cx); /* an empty subtree, not a zero */
/* n values in order, which may be 0. INVALID_ARGUMENT for a NULL among them. */
JAXVJP_API(jaxvjp_value *) jaxvjp_tuple(jaxvjp_context *cx, jaxvjp_value *const *items, size_t n);
JAXVJP_API(jaxvjp_value *) jaxvjp_list(jaxvjp_context *cx, jaxvjp_value *const *items, size_t n);
/* Keys are unique (INVALID_ARGUMENT); a dict's order is that of its keys' bytes, whatever order they come in. */
JAXVJP_API(jaxvjp_value *) jaxvjp_dict(jaxvjp_context *cx, const char *const *keys, jaxvjp_value *const *items, size_t n);
/* A leaf that is carried and never computed with: as a residual, from fwd to bwd; constant under jit and vmap.
 * destroy(pointer) runs when the last value, program or residual that holds it is gone. */
JAXVJP_API(jaxvjp_value *) jaxvjp_opaque(jaxvjp_context *cx, void *pointer, jaxvjp_destroy_fn destroy);
/* A function (a pullback, say) as a leaf; the traced values it captures are its array leaves. */
JAXVJP_API(jaxvjp_value *) jaxvjp_from_function(jaxvjp_context *cx, jaxvjp_function *f);
/* What from_function and opaque put in: TREE for another kind of value. */
JAXVJP_API(jaxvjp_function *) jaxvjp_as_function(jaxvjp_context *cx, jaxvjp_value *v);
JAXVJP_API(void *) jaxvjp_as_pointer(jaxvjp_context *cx, jaxvjp_value *v);

JAXVJP_API(int32_t) jaxvjp_kind(const jaxvjp_value *v);               /* JAXVJP_ARRAY ... JAXVJP_FUNCTION */
JAXVJP_API(size_t) jaxvjp_count(const jaxvjp_value *v);               /* items of a container; 0 for a leaf */
JAXVJP_API(const char *) jaxvjp_key(const jaxvjp_value *v, size_t i); /* of a dict's i-th item, borrowed from v; else NULL */
/* The i-th item of a tuple, list or dict (in the order of its keys). INVALID_ARGUMENT past the end, TREE for a leaf. */
JAXVJP_API(jaxvjp_value *) jaxvjp_get(jaxvjp_context *cx, jaxvjp_value *v, size_t i);
/* The item under `key`. NOT_FOUND names the keys there are; TREE for what is no dict. */
JAXVJP_API(jaxvjp_value *) jaxvjp_lookup(jaxvjp_context *cx, jaxvjp_value *dict, const char *key);
/* Leaves are arrays, tracers, specs, zeros, and the arrays that a pullback or linear function holds, in the order of a walk
 * through the tree. Opaque pointers and base functions are structure, compared by identity: jit keys on them, vmap treats
 * them as constants. */
JAXVJP_API(size_t) jaxvjp_leaf_count(const jaxvjp_value *v);
/* The i-th leaf; INVALID_ARGUMENT past the end. */
JAXVJP_API(jaxvjp_value *) jaxvjp_leaf(jaxvjp_context *cx, jaxvjp_value *v, size_t i);
/* A tree of the structure of `like` with these leaves, whose shapes and dtypes are free. TREE unless there are leaf_count. */
JAXVJP_API(jaxvjp_value *) jaxvjp_unflatten(jaxvjp_context *cx, jaxvjp_value *like, jaxvjp_value *const *leaves, size_t n);
/* 1 or 0; leaves are not compared. */
JAXVJP_API(int32_t) jaxvjp_same_structure(const jaxvjp_value *a, const jaxvjp_value *b);
/* f(leaf of trees[0], leaf of trees[1], ...) for every leaf, each one leaf; the result has the structure of trees[0]. All
 * trees have one structure (TREE). */
JAXVJP_API(jaxvjp_value *) jaxvjp_tree_map(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *trees, size_t n);
/* Arrays of zeros in the structure, shapes and dtypes of v, which may be of specs. */
JAXVJP_API(jaxvjp_value *) jaxvjp_zeros_like(jaxvjp_context *cx, jaxvjp_value *v);
/* "No derivative": stands in bwd's outputs for a whole argument or for any subtree of it; likewise in the tangents of
 * jaxvjp_jvp, the tangent of a jvp rule, and the cotangent of a pullback. */
JAXVJP_API(jaxvjp_value *) jaxvjp_zero(jaxvjp_context *cx);
/* A zero that has no array. One handed to bwd answers dtype, ndim and shape of its output; jaxvjp_zero() answers 0. */
JAXVJP_API(int32_t) jaxvjp_is_zero(const jaxvjp_value *v);

/* ------------------------------------------------------------------------------------------- functions */

/* n arguments in, one output (any tree) into *out: convention 5. The arguments live until the callback returns. Check n
 * where callers may get it wrong: the library passes on what jaxvjp_call was given. */
typedef int32_t (*jaxvjp_call_fn)(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n, jaxvjp_value **out);

/* A base function: `name` (for messages and printing; NULL: "f"), the callback, what it is called with. */
JAXVJP_API(jaxvjp_function *)
jaxvjp_function_new(jaxvjp_context *cx, const char *name, jaxvjp_call_fn callback, void *user, jaxvjp_destroy_fn destroy);
/* The program as a function, with the structures that jaxvjp_make_jaxpr remembered, and with its rules: it differentiates
 * as the original does. One that was parsed takes an array an input and returns a tuple of its outputs. Arguments of other
 * structure, shape or dtype are TREE, SHAPE, DTYPE. */
JAXVJP_API(jaxvjp_function *) jaxvjp_function_of(jaxvjp_context *cx, jaxvjp_jaxpr *j);
/* Calls f, transformed as it may be, and returns its output. Fails as the callback fails, as its transformations do (below),
 * and with TREE where an argument is a spec or a zero. */
JAXVJP_API(jaxvjp_value *) jaxvjp_call(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *args, size_t n);
/* The same with one argument, and with two. */
JAXVJP_API(jaxvjp_value *) jaxvjp_call1(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *x);
JAXVJP_API(jaxvjp_value *) jaxvjp_call2(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *x, jaxvjp_value *y);

/* Transformations of functions. They run nothing: the work happens in jaxvjp_call, and so do errors about arguments. The
 * result is the pair (f, what was asked), and compiled programs are cached on f: making the same transformation again, in a
 * loop say, costs nothing. They nest in any order, to 256. INVALID_ARGUMENT for unknown flags. */

typedef struct jaxvjp_grad_options {
  size_t struct_size;
  const int64_t *argnums; /* NULL: argument 0, whose gradient comes bare; else a tuple, one gradient an entry */
  size_t n_argnums;
  int32_t flags; /* JAXVJP_HAS_AUX, JAXVJP_ALLOW_INT */
} jaxvjp_grad_options;
/* HAS_AUX: f returns (loss, aux), aux any pytree: grad and the Jacobians give (derivative, aux), value_and_grad
 * ((loss, aux), gradient). ALLOW_INT: leaves of integers and booleans have gradients of dtype FLOAT0. A Jacobian is the tree
 * of the output, each leaf a tree of the argument, of shape out + in. */
enum { JAXVJP_HAS_AUX = 1, JAXVJP_ALLOW_INT = 2 };

typedef struct jaxvjp_vmap_options {
  size_t struct_size;
  const int64_t *in_axes; /* one an argument, for all its leaves; NULL: 0 for each; JAXVJP_AXIS_NONE: not mapped */
  size_t n_in_axes;
  int64_t out_axis;  /* for every output leaf; outputs that are not mapped are broadcast */
  int64_t axis_size; /* 0: that of the mapped arguments */
} jaxvjp_vmap_options;

typedef struct jaxvjp_jit_options {
  size_t struct_size;
  const int64_t *static_args; /* arguments whose numbers become part of the program; negative ones count from the last */
  size_t n_static_args;
  int32_t flags; /* must be 0 */
} jaxvjp_jit_options;

/* f, recorded once for each structure, shapes and dtypes of its arguments, simplified, and run as a program from then on.
 * Its callback does not run again: what it does besides operations happens once. Inside it its arguments, and what is
 * computed, have no numbers. Those of static arguments have, so that the callback may branch on them and read them; it is
 * recorded once more for other numbers (compared byte by byte: they should be few). One that is mapped or differentiated is
 * CONCRETE, one that there is not INVALID_ARGUMENT. */
JAXVJP_API(jaxvjp_function *) jaxvjp_jit(jaxvjp_context *cx, jaxvjp_function *f, const jaxvjp_jit_options *options);
/* The gradient: of the structure, shapes and dtypes of the argument. f's output is one floating array of rank 0 (NOT_SCALAR,
 * OUT_DTYPE), the arguments asked for are floating (IN_DTYPE); INVALID_ARGUMENT for an argnum that there is not. */
JAXVJP_API(jaxvjp_function *) jaxvjp_grad(jaxvjp_context *cx, jaxvjp_function *f, const jaxvjp_grad_options *options);
/* The tuple (value, gradient). */
JAXVJP_API(jaxvjp_function *)
jaxvjp_value_and_grad(jaxvjp_context *cx, jaxvjp_function *f, const jaxvjp_grad_options *options);
/* f of one example as a function of many: inside it the mapped axis is not there. Sizes of mapped axes agree (SHAPE);
 * INVALID_ARGUMENT where the number of in_axes is not that of the arguments, where an axis is out of range, and where
 * nothing is mapped and no axis_size given. */
JAXVJP_API(jaxvjp_function *) jaxvjp_vmap(jaxvjp_context *cx, jaxvjp_function *f, const jaxvjp_vmap_options *options);
/* Jacobians by forward mode (a push an input element: for few inputs) and by reverse mode (a pull an output element: for few
 * outputs). IN_DTYPE and OUT_DTYPE as for grad; jacfwd: FWD_MODE. */
JAXVJP_API(jaxvjp_function *) jaxvjp_jacfwd(jaxvjp_context *cx, jaxvjp_function *f, const jaxvjp_grad_options *options);
JAXVJP_API(jaxvjp_function *) jaxvjp_jacrev(jaxvjp_context *cx, jaxvjp_function *f, const jaxvjp_grad_options *options);
/* The Jacobian of the Jacobian, leaves of shape out + in + in. Forward over reverse; reverse over reverse where a rule has
 * no forward mode. */
JAXVJP_API(jaxvjp_function *) jaxvjp_hessian(jaxvjp_context *cx, jaxvjp_function *f, const jaxvjp_grad_options *options);

/* At a point. Each returns f's value, and runs f once. */

/* *tangent_out is the derivative in the direction of the tangents, of the structure of the output. Each tangent has the
 * structure, shapes and dtypes of its primal (TREE, SHAPE, DTYPE); for integers and booleans it is jaxvjp_zero. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_jvp(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *primals, jaxvjp_value *const *tangents, size_t n,
           jaxvjp_value **tangent_out);
/* *pullback(ct) is a tuple with one cotangent an argument (of dtype FLOAT0 for integers and booleans); it may be called many
 * times. ct has the structure, shapes and dtypes of the output: CT_TREE, CT_AVAL. NO_TRANSPOSE is raised here, not later. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_vjp(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *args, size_t n, jaxvjp_function **pullback);
/* *linear(tangents...) is what jaxvjp_jvp would put into *tangent_out, for many directions at one point. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_linearize(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *args, size_t n, jaxvjp_function **linear);
/* The transpose of an f that is linear in all its arguments, which are as the specs say (arrays serve as well): a function of
 * a cotangent of f's output that returns a tuple with one cotangent an argument. NO_TRANSPOSE names what is not linear; a
 * constant term (x + 1) is passed over, here and wherever a function is taken to be linear. */
JAXVJP_API(jaxvjp_function *)
jaxvjp_linear_transpose(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *specs, size_t n);
/* Where the i-th array that a pullback or linear function holds comes from (it is jaxvjp_leaf of jaxvjp_from_function of it):
 * *leaf is the number of a leaf of the arguments, counted over all of them, or -1: it was computed. So an argument that no
 * array is need not be kept for the pullback; and one that some is may be: make a pullback with zeros in its place
 * (jaxvjp_unflatten), and put the argument back before it is called. Numbers of rank 0 are part of the program and held by no
 * pullback. Returns 0 or the code: INVALID_ARGUMENT past the end, and for other functions. */
JAXVJP_API(int32_t) jaxvjp_residual_source(jaxvjp_context *cx, jaxvjp_function *linear, size_t i, int64_t *leaf);
/* f as a function that may leave its trace: recorded for arguments as the specs say, with the values of live traces that it
 * captured as its leaves (jaxvjp_from_function). So it can be a residual (fwd may return a pullback that is written out), or
 * an argument of a rule: in bwd its slot is jaxvjp_unflatten of it with the cotangents of its leaves. Only what is traced is a
 * leaf; arrays that f captured are constants. Called with arguments of other structure or type: TREE, SHAPE, DTYPE. */
JAXVJP_API(jaxvjp_function *)
jaxvjp_closure_convert(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *specs, size_t n);

/* ------------------------------------------------------------------------------------------- custom rules, traced */

/* Writes the outputs, which are those of the function (FWD_TREE, FWD_AVAL), and any pytree of residuals: arrays, numbers,
 * opaque pointers, functions; jaxvjp_none for nothing. Both must be set (FWD_UNSET). */
typedef int32_t (*jaxvjp_fwd_fn)(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, size_t n, jaxvjp_value **out,
                                 jaxvjp_value **residuals);
/* Gets what fwd kept and a cotangent of the structure of the output. Writes one cotangent an argument, of that argument's
 * structure, shapes and dtypes (BWD_TREE, BWD_AVAL), or jaxvjp_zero for none. Slots of arguments without floating leaves,
 * and those that are not needed, may stay unset; another is BWD_UNSET. bwd is linear in ct. It does not run where every
 * cotangent is a symbolic zero, unless RUN_ON_ZERO. */
typedef int32_t (*jaxvjp_bwd_fn)(jaxvjp_context *cx, void *user, jaxvjp_value *residuals, jaxvjp_value *ct,
                                 jaxvjp_value **arg_cts, size_t n);
/* Writes the outputs and their tangent, of the same structure, shapes and dtypes, or jaxvjp_zero; both must be set
 * (CALLBACK; TREE, SHAPE, DTYPE). The tangent is linear in `tangents`, which are arrays (zeros where nothing varies). */
typedef int32_t (*jaxvjp_jvp_fn)(jaxvjp_context *cx, void *user, jaxvjp_value *const *primals, jaxvjp_value *const *tangents,
                                 size_t n, jaxvjp_value **out, jaxvjp_value **tangent_out);

/* What vmap does in place of mapping the function: the results of `axis_size` examples at once. An argument is mapped, along
 * its axis 0, where jaxvjp_is_batched says so; the others are the same for every example. Writes the outputs (for one example
 * they are those of the function: TREE, SHAPE, DTYPE where it has run or is recorded), and a tree of the same structure (TREE) of 1 where an output has the
 * examples along its axis 0 (SHAPE) and 0 where it is the same for all: jaxvjp_number will do. Both must be set (CALLBACK). */
typedef int32_t (*jaxvjp_batch_fn)(jaxvjp_context *cx, void *user, int64_t axis_size, jaxvjp_value *const *args, size_t n,
                                   jaxvjp_value **out, jaxvjp_value **out_batched);

typedef struct jaxvjp_custom_vjp_options {
  size_t struct_size;
  jaxvjp_call_fn primal;        /* runs where nothing is differentiated; NULL: fwd without its residuals */
  jaxvjp_jvp_fn jvp;            /* forward mode; NULL: see `forward` */
  int32_t forward;              /* JAXVJP_FORWARD_REFUSE (default), JAXVJP_FORWARD_TRANSPOSE_BWD */
  int32_t flags;                /* JAXVJP_SYMBOLIC_ZEROS, JAXVJP_RUN_ON_ZERO, JAXVJP_WIDEN */
  const char *const *arg_names; /* for errors and printing; copied */
  size_t n_arg_names;
  jaxvjp_batch_fn batch; /* vmap of the function where nothing is differentiated; NULL: that of what it computes */
} jaxvjp_custom_vjp_options;
enum {
  JAXVJP_FORWARD_REFUSE = 0, /* forward mode is FWD_MODE, before any callback runs; of jaxvjp_linearize when it is used */
  JAXVJP_FORWARD_TRANSPOSE_BWD = 1 /* forward mode is the transpose of bwd; NO_TRANSPOSE where bwd is not linear in ct */
};
enum {
  JAXVJP_SYMBOLIC_ZEROS = 1, /* bwd sees jaxvjp_is_zero cotangents instead of arrays of zeros */
  JAXVJP_RUN_ON_ZERO = 2,    /* run bwd even where every cotangent is such a zero */
  JAXVJP_WIDEN = 4           /* a cotangent of wider floating dtype is rounded once to its argument's */
};

/* A function with a derivative of your own, honoured under every mixture of transformations. fwd that calls jaxvjp_self
 * keeps the rule at second order; fwd that does not is differentiated as it stands. The rule never changes: another bwd is
 * another function. All of its callbacks get `user`; destroy(user) runs when the last function, program and pullback that
 * hold the rule are gone. */
JAXVJP_API(jaxvjp_function *)
jaxvjp_custom_vjp(jaxvjp_context *cx, const char *name, jaxvjp_fwd_fn fwd, jaxvjp_bwd_fn bwd, void *user,
                  jaxvjp_destroy_fn destroy, const jaxvjp_custom_vjp_options *options);
/* The same from a rule for forward mode, which serves reverse mode too: its linear part is transposed. */
JAXVJP_API(jaxvjp_function *)
jaxvjp_custom_jvp(jaxvjp_context *cx, const char *name, jaxvjp_call_fn primal, jaxvjp_jvp_fn jvp, void *user,
                  jaxvjp_destroy_fn destroy);
/* A function with a rule for vmap, honoured under every mixture of transformations. Forward mode goes through the rule: it is
 * differentiated as it stands. Reverse mode is NO_TRANSPOSE: a rule of both kinds is a jaxvjp_custom_vjp with the option
 * `batch`, whose fwd and bwd are mapped as they stand. (fwd that calls jaxvjp_self meets the batching rule there.) Under a
 * vmap of a derivative in forward mode (jaxvjp_jacfwd is one) the rule may be asked about one example, with nothing batched.
 * `name` and destroy as for custom_vjp; what the primal captures, and other values of inner transformations, are not the
 * rule's to know: pass them as arguments (CLOSURE_DIFF, NO_RULE). */
JAXVJP_API(jaxvjp_function *)
jaxvjp_custom_vmap(jaxvjp_context *cx, const char *name, jaxvjp_call_fn primal, jaxvjp_batch_fn batch, void *user,
                   jaxvjp_destroy_fn destroy);
/* f, of which a vmap does one example after the other, by a scan: for what has no batched form, or takes too much memory. f
 * is recorded when it is called. jaxvjp_map with a batch size does some at a time. */
JAXVJP_API(jaxvjp_function *) jaxvjp_sequential_vmap(jaxvjp_context *cx, jaxvjp_function *f);
/* f(residual, linear), whose transpose is t(residual, cotangent of f's output), which gives a tree of the structure and types
 * of `linear` (TREE, SHAPE, DTYPE name it). f is linear in `linear`, any pytree of floats, and so is its output (IN_DTYPE,
 * OUT_DTYPE). Both are recorded now; derivatives with respect to the residual, and what f and t capture, are those of the
 * operations. Transposing twice gives f again: neither is ever transposed itself. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_linear_call(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_function *t, jaxvjp_value *residual, jaxvjp_value *linear);

/* Inside a rule, with the context of the callback; elsewhere INVALID_ARGUMENT. */

/* The function whose rule runs: to call it, or to differentiate it again. */
JAXVJP_API(jaxvjp_function *) jaxvjp_self(jaxvjp_context *cx);
/* In fwd, 1 or 0: is any leaf of this argument (one of args) being differentiated? -1 on failure. */
JAXVJP_API(int32_t) jaxvjp_is_perturbed(jaxvjp_context *cx, const jaxvjp_value *v);
/* In bwd, 1 or 0: will anyone use the cotangent of argument `arg`? -1 on failure. */
JAXVJP_API(int32_t) jaxvjp_is_needed(jaxvjp_context *cx, size_t arg);
/* In a batching rule, 1 or 0: is any leaf of this argument, or of this part of one, mapped? -1 on failure. */
JAXVJP_API(int32_t) jaxvjp_is_batched(jaxvjp_context *cx, const jaxvjp_value *v);

/* ------------------------------------------------------------------------------------------- custom rules, opaque
 *
 * Code that cannot be traced: a solver, a simulator, a table. It runs on buffers when the program runs, on the thread that
 * called the library, under jit, vmap, loops and grad. A derivative of order 2 through its bwd is NO_RULE, never 0. */

/* A leaf of an argument or result at run time: row-major, compact, aligned to its elements; valid until the callback returns.
 * Inputs are read-only, outputs uninitialised. */
typedef struct jaxvjp_buffer {
  size_t struct_size;
  void *data;
  const int64_t *shape; /* ndim sizes */
  size_t ndim;
  int32_t dtype;
} jaxvjp_buffer;

/* Computes the output leaves from the input leaves, in the order of their trees. *state, preset to NULL, goes to bwd, and to
 * state_destroy when its last holder is gone: at once where no derivative is asked for. Returns 0, or a code. */
typedef int32_t (*jaxvjp_host_fwd_fn)(jaxvjp_context *cx, void *user, const jaxvjp_buffer *const *in, size_t n_in,
                                      const jaxvjp_buffer *const *out, size_t n_out, void **state);
/* Fills arg_cts, the cotangents of the inputs, from cts, those of the outputs, in which it is linear. Runs zero, one or many
 * times for a state, which it must not change. in[i] and out[i] are NULL unless asked for by SAVE_INPUTS, SAVE_OUTPUTS; cts[i]
 * and arg_cts[i] where output or input i is no float. */
typedef int32_t (*jaxvjp_host_bwd_fn)(jaxvjp_context *cx, void *user, void *state, const jaxvjp_buffer *const *in,
                                      const jaxvjp_buffer *const *out, const jaxvjp_buffer *const *cts, size_t n_out,
                                      const jaxvjp_buffer *const *arg_cts, size_t n_in);
/* Writes the pytree of specs (jaxvjp_spec) that the outputs have for arguments of these specs. */
typedef int32_t (*jaxvjp_host_shape_fn)(jaxvjp_context *cx, void *user, jaxvjp_value *const *arg_specs, size_t n,
                                        jaxvjp_value **out);

/* A whole batch in one call. Leaves that are mapped have a leading axis of `size`, the others are the same for every element.
 * Outputs of fwd and arg_cts always have it. */
typedef struct jaxvjp_host_batch {
  size_t struct_size;
  int64_t size;       /* elements; at least 1 */
  const int32_t *in;  /* n_in flags: 1 where the input is mapped (0 in a bwd that did not save it) */
  const int32_t *out; /* n_out flags, likewise */
  const int32_t *cts; /* bwd: n_out flags; NULL in fwd */
  int32_t states;     /* 1: a state an element; 0 (in bwd only): one state for all, as for the rows of a Jacobian */
} jaxvjp_host_batch;

/* fwd for a batch. `states` has an entry an element, preset to NULL. */
typedef int32_t (*jaxvjp_host_batch_fwd_fn)(jaxvjp_context *cx, void *user, const jaxvjp_host_batch *batch,
                                            const jaxvjp_buffer *const *in, size_t n_in, const jaxvjp_buffer *const *out,
                                            size_t n_out, void **states);
/* bwd for a batch. `states` has an entry an element where batch->states says so, else one. An entry is NULL too where the
 * element took a branch without this call: what is written for it is not used. */
typedef int32_t (*jaxvjp_host_batch_bwd_fn)(jaxvjp_context *cx, void *user, const jaxvjp_host_batch *batch,
                                            void *const *states, const jaxvjp_buffer *const *in,
                                            const jaxvjp_buffer *const *out, const jaxvjp_buffer *const *cts, size_t n_out,
                                            const jaxvjp_buffer *const *arg_cts, size_t n_in);

typedef struct jaxvjp_host_options {
  size_t struct_size;
  jaxvjp_host_bwd_fn bwd;             /* NULL: not differentiable (NO_RULE) */
  jaxvjp_destroy_fn state_destroy;    /* of a state that is not NULL; once; on any thread; only beside a bwd */
  int32_t flags;                      /* JAXVJP_HOST_ below */
  jaxvjp_host_batch_fwd_fn batch_fwd; /* vmap: one call for all elements; NULL: see VMAP_LOOP */
  jaxvjp_host_batch_bwd_fn batch_bwd; /* the same for bwd: one call for all rows of a Jacobian */
} jaxvjp_host_options;
enum {
  JAXVJP_HOST_PURE = 1,         /* may be dropped and run again; without it every call runs, in order */
  JAXVJP_HOST_SAVE_INPUTS = 2,  /* bwd gets fwd's inputs */
  JAXVJP_HOST_SAVE_OUTPUTS = 4, /* bwd gets fwd's outputs */
  JAXVJP_HOST_VMAP_LOOP = 8     /* vmap: once an element; without it and batch_fwd, vmap refuses (NO_RULE) */
};

/* The function of any pytrees of arrays that runs fwd. `shape` runs at every call, before anything else. name: for errors,
 * printing, and to link saved programs (in a loaded one the program says the types, and `shape` does not run). destroy(user) runs when the last function, program or pullback that holds it is gone,
 * on failure too. shape or fwd NULL: INVALID_ARGUMENT. Forward mode is FWD_MODE; a failing callback's code and error come out
 * of the outer call, with a note. Checkpoint runs a PURE one again, and keeps what others gave. */
JAXVJP_API(jaxvjp_function *)
jaxvjp_host_function(jaxvjp_context *cx, const char *name, jaxvjp_host_shape_fn shape, jaxvjp_host_fwd_fn fwd, void *user,
                     jaxvjp_destroy_fn destroy, const jaxvjp_host_options *options);

/* What optimisers take: returns the value at the n numbers x and, unless grad is NULL, writes the n derivatives to it. */
typedef double (*jaxvjp_value_grad_fn)(unsigned n, const double *x, double *grad, void *data);
/* f64[n] -> f64[] from such a function, which must depend on x alone. Differentiable in forward and reverse mode, once: order
 * 2 is NO_RULE. vmap calls it once an element. Arguments of other types are DTYPE, SHAPE or INVALID_ARGUMENT. */
JAXVJP_API(jaxvjp_function *)
jaxvjp_from_value_grad(jaxvjp_context *cx, const char *name, jaxvjp_value_grad_fn f, void *data, jaxvjp_destroy_fn destroy);
/* What least squares take: writes m residuals at the n numbers x and, unless jacobian is NULL, the m * n derivatives
 * jacobian[i * n + j] = d residuals[i] / d x[j]. Returns 0, or a code, with which the outer call fails. */
typedef int32_t (*jaxvjp_residual_jacobian_fn)(size_t m, size_t n, const double *x, double *residuals, double *jacobian,
                                               void *data);
/* f64[n] -> f64[m] from such a function; otherwise like from_value_grad. */
JAXVJP_API(jaxvjp_function *)
jaxvjp_from_residual_jacobian(jaxvjp_context *cx, const char *name, size_t m, jaxvjp_residual_jacobian_fn f, void *data,
                              jaxvjp_destroy_fn destroy);
/* A scalar function of n numbers: returns the value and, unless partials is NULL, writes the n partial derivatives to it. */
typedef double (*jaxvjp_partials_fn)(size_t n, const double *x, double *partials, void *data);
/* The function of n arrays of f64, which broadcast against each other, that maps f over their elements; otherwise like
 * from_value_grad. */
JAXVJP_API(jaxvjp_function *)
jaxvjp_from_partials(jaxvjp_context *cx, const char *name, jaxvjp_partials_fn f, void *data, jaxvjp_destroy_fn destroy);

/* ------------------------------------------------------------------------------------------- control flow
 *
 * Loops and branches as operations: their functions are recorded once, whatever the number of steps, and a rule inside is
 * honoured. A function may use values of its surroundings; derivatives flow to them. Wrong structures are TREE, wrong types
 * SHAPE or DTYPE, and name what differs. */

/* on_true(args) or on_false(args); pred is bool[]. Both give the same structure and types. Under a vmap that maps pred both
 * run, and each element takes its own. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_cond(jaxvjp_context *cx, jaxvjp_value *pred, jaxvjp_function *on_true, jaxvjp_function *on_false,
            jaxvjp_value *const *args, size_t n);
/* branches[index](args); an index that is less than 0 or too large takes the first or the last. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_switch(jaxvjp_context *cx, jaxvjp_value *index, jaxvjp_function *const *branches, size_t n_branches,
              jaxvjp_value *const *args, size_t n);
/* The carry, from init on, as long as condition(carry) is true: carry = body(carry), of the same structure and types. It has
 * no reverse mode: asking for it is NO_TRANSPOSE. Under a vmap that maps the condition it runs until all are done. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_while_loop(jaxvjp_context *cx, jaxvjp_function *condition, jaxvjp_function *body, jaxvjp_value *init);
/* carry = body(i, carry) for i from lower to upper - 1, integers of one type (a jaxvjp_number is i32). Where both are
 * concrete it is a scan and has a reverse mode; else it is a while_loop. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_fori_loop(jaxvjp_context *cx, jaxvjp_value *lower, jaxvjp_value *upper, jaxvjp_function *body, jaxvjp_value *init);
/* body(carry, x) -> (carry, y), from init on, for each row x of xs (that of each leaf along axis 0); returns the tuple (last
 * carry, ys stacked along axis 0). xs may be none; `length` is the number of steps, or -1: that of xs. reverse: from the last
 * row to the first; ys keep the rows' order. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_scan(jaxvjp_context *cx, jaxvjp_function *body, jaxvjp_value *init, jaxvjp_value *xs, int64_t length, int32_t reverse);
/* f(x) for each row x of xs, the results stacked: a scan. batch_size: so many rows at a time, as by vmap; 0: one by one.
 * Where it does not divide the rows, f is called again for the rest, so what a bwd in it emits has its name twice. */
JAXVJP_API(jaxvjp_value *) jaxvjp_map(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *xs, int64_t batch_size);

/* What the forward pass of a checkpointed function keeps for the backward pass, beside its arguments. */
enum {
  JAXVJP_CHECKPOINT_NOTHING = 0,
  JAXVJP_CHECKPOINT_DOTS = 1, /* results of dot_general */
  JAXVJP_CHECKPOINT_NAMED = 2 /* what checkpoint_name marks */
};
/* f, whose derivative computes again what its forward pass did not keep: less memory, more time, the same bits. */
JAXVJP_API(jaxvjp_function *) jaxvjp_checkpoint(jaxvjp_context *cx, jaxvjp_function *f, int32_t policy);
/* v itself (a pytree), marked as worth keeping. The name is for printing. */
JAXVJP_API(jaxvjp_value *) jaxvjp_checkpoint_name(jaxvjp_context *cx, jaxvjp_value *v, const char *name);

/* ------------------------------------------------------------------------------------------- solvers
 *
 * Values that an equation defines, whatever finds them. The derivative is that of the equation at its solution and not of
 * the solver's steps, in both modes and at every order; it needs a solution, and is wrong where the solver gives none. The
 * unknowns are any tree of floating arrays (DTYPE); what a function returns has their structure, shapes and dtypes (TREE,
 * SHAPE, DTYPE, naming the function). The functions are recorded when the solver is called. They may use values of their
 * surroundings: derivatives flow to what the equation itself uses, and not to what only a solver uses, nor to the guess. */

typedef struct jaxvjp_linear_solve_options {
  size_t struct_size;
  jaxvjp_function *transpose_solve; /* reverse mode needs it, or JAXVJP_SYMMETRIC: else NO_TRANSPOSE */
  int32_t flags;                    /* JAXVJP_HAS_AUX, JAXVJP_SYMMETRIC */
} jaxvjp_linear_solve_options;
/* SYMMETRIC: matvec is its own transpose, which is not checked, and `solve` serves as transpose_solve where there is none.
 * HAS_AUX (2 is reserved): what solves returns (x, aux), aux any pytree that has no derivative, and so does the call. */
enum { JAXVJP_SYMMETRIC = 4 };

/* x with matvec(x) = b, where matvec is linear: solve(matvec, b) -> x finds it. solve gets two arguments, the function as a
 * value (jaxvjp_as_function) and b; transpose_solve the transpose of matvec, which the library makes (NO_TRANSPOSE where it is
 * not linear), and what to solve for. Neither is differentiated: a while_loop, say, may do. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_custom_linear_solve(jaxvjp_context *cx, jaxvjp_function *matvec, jaxvjp_value *b, jaxvjp_function *solve,
                           const jaxvjp_linear_solve_options *options);

typedef struct jaxvjp_root_options {
  size_t struct_size;
  int32_t flags; /* JAXVJP_HAS_AUX: solve gives (x, aux), aux any pytree that has no derivative; so does the call */
} jaxvjp_root_options;
/* x with f(x) = 0, where f(x) is of the type of x: solve(f, guess) -> x finds it, and is not differentiated.
 * tangent_solve(g, y) -> v solves g(v) = y, where g is f linearized at the root: y / g(1) for a number, the Jacobian of g
 * (jaxvjp_jacfwd) and jaxvjp_solve for a short vector, jaxvjp_custom_linear_solve for what iterates. It is linear in y, and
 * is transposed for reverse mode. It applies g forward, so a rule that f calls needs a forward mode (FWD_MODE). */
JAXVJP_API(jaxvjp_value *)
jaxvjp_custom_root(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *guess, jaxvjp_function *solve,
                   jaxvjp_function *tangent_solve, const jaxvjp_root_options *options);

/* A step is small enough when it changes no element by more than tolerance * (the largest absolute value) +
 * absolute_tolerance, over all arrays of the tree. */
typedef struct jaxvjp_fixed_point_options {
  size_t struct_size;
  double tolerance;          /* 0: the dtype's precision to the power 3/4: 1.8e-12 for f64, 6.4e-6 for f32 */
  double absolute_tolerance; /* for solutions at 0 and beside it; derivatives go by the other */
  int64_t max_iterations;    /* 0: 10,000 */
  int32_t flags;             /* JAXVJP_KEEP_LAST */
} jaxvjp_fixed_point_options;
/* Where the steps did not become small enough the result is NaN, and so is a derivative; KEEP_LAST: the last iterate. */
enum { JAXVJP_KEEP_LAST = 1 };

/* x with x = f(params, x), by x = f(params, x) again and again from the guess on; params is any tree, or none. It converges
 * where f is a contraction: the Jacobian df/dx has a spectral radius below 1 at the solution, and rounding in the dtype lets
 * the steps become small enough (in f16 and bf16 give a larger tolerance). Then so do the equations of the
 * derivatives, v = J v + b and w = J^T w + b, which are solved in the same way and with the same options. J v is asked for by
 * forward mode and by second derivatives: a rule that f calls needs a forward mode there (FWD_MODE). */
JAXVJP_API(jaxvjp_value *)
jaxvjp_fixed_point(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *params, jaxvjp_value *guess,
                   const jaxvjp_fixed_point_options *options);

/* ------------------------------------------------------------------------------------------- a running program */

/* Prints `format` with the numbers of the arrays values[i], as jaxvjp_to_string shows them, in place of the i-th {}; {{ and }} are
 * braces. It is an equation with an effect and no result, allowed wherever operations are: it prints when the program runs
 * (outside jit and control flow at once), through the session's print hook, as often and in the order in which the program
 * comes to it. Nothing drops it, shares it or takes it out of a loop. Under derivatives it prints the values; in bwd what
 * stands there; under vmap a line for each element, one after the other, where a value is mapped. A mapped cond runs all
 * its branches for all elements, and a while_loop with a mapped condition each step, so they print that often too. Under
 * checkpoint, and where linearize repeats a while_loop for its tangents, only the first run prints. A tangent that is
 * printed (by a jvp rule) is NO_TRANSPOSE in reverse mode. 0, or an error: INVALID_ARGUMENT for a format that does not
 * match the values. */
JAXVJP_API(int32_t)
jaxvjp_debug_print(jaxvjp_context *cx, const char *format, jaxvjp_value *const *values, size_t n);

/* Called with a cotangent, in the structure of what the probe was given, as numbers; leaves that are no floats are FLOAT0.
 * Returns 0 or an error code. */
typedef int32_t (*jaxvjp_probe_fn)(jaxvjp_context *cx, void *user, jaxvjp_value *ct);
/* x itself, any pytree of arrays. Each time a backward pass comes by, `callback` sees the cotangent of x when the program
 * runs: under jit and in scan too, and under vmap once for each element, where it is mapped. That is of the innermost derivative: a probe is the
 * identity with a rule, and what differentiates that rule again does not see it. Forward mode calls nothing, nor does a
 * cotangent that is zero because nothing depends on x. user, destroy: convention 4; programs and pullbacks hold them. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_probe(jaxvjp_context *cx, jaxvjp_value *x, jaxvjp_probe_fn callback, void *user, jaxvjp_destroy_fn destroy);

/* In a rule's bwd: gives v, any pytree of arrays, out beside the cotangents, to who called the pullback by
 * jaxvjp_call_emitted; for others nothing happens. 0, or an error: INVALID_ARGUMENT outside of bwd, and for a name that a
 * rule of this name has emitted in the same backward pass; EFFECT inside a vmap or another transformation within bwd. */
JAXVJP_API(int32_t) jaxvjp_emit(jaxvjp_context *cx, const char *name, jaxvjp_value *v);
/* Calls a pullback (INVALID_ARGUMENT for any other function): (what jaxvjp_call returns, what was emitted). The latter is a
 * dict of rules' names, of dicts of emitted names. What a rule in a scan emits is stacked along axis 0 by the step of the
 * forward pass, and what one under vmap emits along the mapped axis; jit and checkpoint pass it on. In cond all branches
 * must emit the same names and types (EFFECT), and the one that ran gives the values; where vmap maps the index all run, and
 * must emit other names (INVALID_ARGUMENT). (A while_loop has no backward pass.) */
JAXVJP_API(jaxvjp_value *) jaxvjp_call_emitted(jaxvjp_context *cx, jaxvjp_function *pullback, jaxvjp_value *ct);

/* ------------------------------------------------------------------------------------------- jaxprs */

/* Records f for arguments as the specs say (arrays serve as well), under whatever transformations it has. Remembers the
 * structures (function_of returns them). Capturing a value of a live trace is INVALID_ARGUMENT. */
JAXVJP_API(jaxvjp_jaxpr *) jaxvjp_make_jaxpr(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *specs, size_t n);
/* The program in JAX's notation; it lives in the scope. */
JAXVJP_API(const char *) jaxvjp_jaxpr_text(jaxvjp_context *cx, jaxvjp_jaxpr *j);
/* The program that a text says, a saved one's too, checked. PARSE with line and column; NOT_FOUND for an unknown primitive;
 * SHAPE, DTYPE where an equation's types are not those of its operation. */
JAXVJP_API(jaxvjp_jaxpr *) jaxvjp_parse(jaxvjp_context *cx, const char *text);
/* Equations of this primitive, those of nested programs included; NULL: all. */
JAXVJP_API(size_t) jaxvjp_jaxpr_count(const jaxvjp_jaxpr *j, const char *primitive);
/* The same program without dead, repeated and constant equations. Results keep their bits. */
JAXVJP_API(jaxvjp_jaxpr *) jaxvjp_simplify(jaxvjp_context *cx, jaxvjp_jaxpr *j);

enum {
  JAXVJP_SAVE_RULES = 0,  /* the program with its rules */
  JAXVJP_SAVE_PRIMAL = 1, /* without: differentiating what is loaded is NO_RULE, never the derivative of the primal */
  JAXVJP_SAVE_TEXT = 2    /* as text, which people can read; every NaN is nan there */
};
/* The program as bytes, which live in the scope (text has a NUL behind it, which does not count). Any machine may load them,
 * and needs no source of it. Structures of arguments and results go along; a function or an opaque pointer among them is
 * TREE. Rules are frozen: fwd, bwd and the jvp rule are recorded once for the types of each call, and those that they call
 * too; a rule that calls itself still does. Frozen callbacks have seen every floating argument perturbed, every slot needed
 * and no symbolic zero: what is loaded computes with zeros where the original sees a symbolic one, and asks is_perturbed and
 * is_needed no more. A rule that looks at numbers cannot be frozen: CONCRETE, with its name. What fwd keeps besides arrays
 * is built into bwd. Host functions are saved by name, and so is a rule that is known by name alone (of a parsed program).
 * Rules for vmap (custom_vmap) are left out, and vmap of what is loaded is NO_RULE where they are not given; what bwd emits
 * is left out. Of a derivative that is half done (a function of jaxvjp_linearize, a solver's equation) the program keeps what
 * its bwds and jvp rules do. INVALID_ARGUMENT where the program holds a probe, or the state of a host function (of a pullback,
 * of jaxvjp_linearize), or a rule uses a value of an enclosing trace. What a rule's own fwd or bwd fails with, save fails with;
 * a derivative that there is none of (a solver's whose equation has none) is left out, and asking for it is NO_RULE. */
JAXVJP_API(const void *) jaxvjp_save(jaxvjp_context *cx, jaxvjp_jaxpr *j, int32_t flags, size_t *bytes);
/* The program that jaxvjp_save wrote, as bytes or as text. `functions` stand in for the rules of their names: custom_vjp or
 * custom_jvp functions, with all that they are, for calls of the same kind; and they are the host functions and rules for
 * vmap that the program calls. What was differentiated before it was saved, as the equation of a solver is, keeps the rules
 * that it had. Names that the program does not call are ignored. What is saved by name and not given is UNLINKED, with the
 * names. The bytes may come from anywhere and are checked: PARSE; NOT_FOUND for an operation that this library has not;
 * ABI_MISMATCH for a later version of the format. INVALID_ARGUMENT for two functions of one name, or one that cannot stand
 * in. */
JAXVJP_API(jaxvjp_jaxpr *)
jaxvjp_load(jaxvjp_context *cx, const void *data, size_t bytes, jaxvjp_function *const *functions, size_t n);
/* A function with the rule that three programs are, for instance text that JAX printed: primal(args) -> outs; fwd(args) ->
 * outs, residuals; bwd(residuals, cotangents of the outs) -> cotangents of the args. All are flat: arguments and results
 * count by their leaves. Integers and booleans have cotangents of dtype FLOAT0, or none at all. The function has primal's
 * structures, as function_of(primal) has. What does not fit is FWD_TREE (numbers of inputs and outputs), FWD_AVAL, BWD_TREE,
 * BWD_AVAL. Without a forward mode. */
JAXVJP_API(jaxvjp_function *)
jaxvjp_custom_vjp_from_jaxprs(jaxvjp_context *cx, const char *name, jaxvjp_jaxpr *primal, jaxvjp_jaxpr *fwd,
                              jaxvjp_jaxpr *bwd);

/* ------------------------------------------------------------------------------------------- checks */

typedef struct jaxvjp_check_options {
  size_t struct_size;
  int32_t order;    /* 1 (default) or 2: the derivative of the derivative too */
  uint32_t seed;    /* of the directions and samples */
  double tolerance; /* relative; 0: by dtype */
  int32_t flags;    /* JAXVJP_CHECK_NONLINEAR_OK */
} jaxvjp_check_options;
enum { JAXVJP_CHECK_NONLINEAR_OK = 1 }; /* a bwd that is not linear in ct (clipping) is not reported */
/* Compares f's derivative at args with differences, fwd's value with primal's, and tests that bwd is linear, that f repeats
 * itself bit for bit, and that vmap of it is a loop. f is a custom rule or any function that uses some. Floating arguments
 * are taken to f64 where f allows it. 0, or CHECK with a report that names rule, argument, path, worst element, both numbers
 * and the seed; what f itself fails with comes as it is. */
JAXVJP_API(int32_t)
jaxvjp_check_vjp(jaxvjp_context *cx, jaxvjp_function *f, jaxvjp_value *const *args, size_t n,
                 const jaxvjp_check_options *options);

/* ------------------------------------------------------------------------------------------- operations */

/* Any primitive by name, its parameters in the printed form ("axes=(0,)"; NULL or "" for none); several results come as a
 * tuple. Strict: no broadcasting. NOT_FOUND for an unknown name, PARSE for the text of the parameters and for one that the
 * primitive has not, INVALID_ARGUMENT for a wrong number of operands or a parameter that cannot be; else as the operation
 * fails. */
JAXVJP_API(jaxvjp_value *)
jaxvjp_bind(jaxvjp_context *cx, const char *primitive, jaxvjp_value *const *operands, size_t n, const char *params);

#ifdef __cplusplus
}
#endif

/* One function a primitive or NumPy-like helper: jaxvjp_add, jaxvjp_sin, jaxvjp_matmul ... Generated. */
#include "ops.h"

#endif
