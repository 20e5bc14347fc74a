"""Whole models: what a user differentiates, each in a dozen to a hundred equations."""
import numpy as np
from jax import jit, lax

from .algebra import well_conditioned
from .case import Case, array, norm, numbers

TOLERANCE = {"f32": norm(4e-5), "f64": norm(1e-12)}


def matmul(x, y):
    return lax.dot_general(x, y, (((x.ndim - 1,), (0,)), ((), ())))


def rows(b, like):
    return lax.broadcast_in_dim(b, like.shape, (like.ndim - 1,))


def columns(b, like):
    return lax.broadcast_in_dim(b, like.shape, tuple(range(b.ndim)))


def total(x):
    return lax.reduce_sum(x, tuple(range(x.ndim)))


def mean(x):
    return lax.div(total(x), lax.full((), x.size, x.dtype))


def logsumexp(x):
    m = lax.stop_gradient(lax.reduce_max(x, (x.ndim - 1,)))
    return lax.add(lax.log(lax.reduce_sum(lax.exp(lax.sub(x, columns(m, x))), (x.ndim - 1,))), m)


def softmax(x):
    return lax.exp(lax.sub(x, columns(logsumexp(x), x)))


def mlp_loss(w1, b1, w2, b2, x, y):
    h = matmul(x, w1)
    h = lax.tanh(lax.add(h, rows(b1, h)))
    out = matmul(h, w2)
    return mean(lax.square(lax.sub(lax.add(out, rows(b2, out)), y)))


def mlp_loss_of_one(w1, b1, w2, b2, x, y):
    return mlp_loss(w1, b1, w2, b2, lax.expand_dims(x, (0,)), lax.expand_dims(y, (0,)))


def relu_mlp_cross_entropy(w1, w2, x, target):
    h = matmul(x, w1)
    logits = matmul(lax.max(h, lax.full_like(h, 0)), w2)
    return mean(lax.sub(logsumexp(logits), lax.reduce_sum(lax.mul(logits, target), (1,))))


def logistic_loss(w, b, x, sign):
    margin = lax.mul(sign, lax.add(matmul(x, w), lax.broadcast_in_dim(b, sign.shape, ())))
    z = lax.neg(margin)
    return mean(lax.add(lax.max(z, lax.full_like(z, 0)), lax.log1p(lax.exp(lax.neg(lax.abs(z))))))


def attention(q, k, v):
    scores = lax.mul(lax.dot_general(q, k, (((2,), (2,)), ((0,), (0,)))), lax.full((2, 3, 4), 0.5, q.dtype))
    return lax.dot_general(softmax(scores), v, (((2,), (1,)), ((0,), (0,))))


def solve(a, b):
    """By lu, its permutation as a one-hot matrix, and two triangular solves. b is a matrix."""
    factors, _, permutation = lax.linalg.lu(a)
    n = a.shape[0]
    order = lax.broadcast_in_dim(permutation, (n, n), (0,))
    one_hot = lax.convert_element_type(lax.eq(order, lax.broadcasted_iota(np.int32, (n, n), 1)), a.dtype)
    y = lax.linalg.triangular_solve(factors, matmul(one_hot, b), left_side=True, lower=True, unit_diagonal=True)
    return lax.linalg.triangular_solve(factors, y, left_side=True, lower=False)


def on_diagonal(n):
    return lax.eq(lax.broadcasted_iota(np.int32, (n, n), 0), lax.broadcasted_iota(np.int32, (n, n), 1))


def log_det(a):
    factors, _, _ = lax.linalg.lu(a)
    n = a.shape[0]
    pivots = lax.select(on_diagonal(n), factors, lax.full_like(a, 1))
    return total(lax.log(lax.abs(pivots)))


def gaussian_process(scale, x, y):
    """Negative log likelihood with kernel exp(-(xi - xj)^2 / scale^2) and noise 0.1."""
    n = x.shape[0]
    d = lax.sub(lax.broadcast_in_dim(x, (n, n), (0,)), lax.broadcast_in_dim(x, (n, n), (1,)))
    r = lax.div(d, lax.broadcast_in_dim(scale, (n, n), ()))
    eye = lax.convert_element_type(on_diagonal(n), x.dtype)
    k = lax.add(lax.exp(lax.neg(lax.square(r))), lax.mul(eye, lax.full_like(eye, 0.125)))
    fit = lax.mul(y, lax.squeeze(solve(k, lax.expand_dims(y, (1,))), (1,)))
    return lax.add(total(fit), log_det(k))


def newton_cube_root(p):
    """Unrolled iterations: derivatives flow through every step."""
    x = lax.full_like(p, 1)
    for _ in range(7):
        x = lax.sub(x, lax.div(lax.sub(lax.integer_pow(x, 3), p), lax.mul(lax.full_like(x, 3), lax.square(x))))
    return x


def recurrent(w, u, xs):
    """Four steps of h <- tanh(w h + u x); the same step is called each time."""

    @jit
    def step(w, u, h, x):
        return lax.tanh(lax.add(matmul(w, h), matmul(u, x)))

    h = lax.full((w.shape[0],), 0.0, w.dtype)
    for t in range(4):
        h = step(w, u, h, lax.squeeze(lax.slice_in_dim(xs, t, t + 1), (0,)))
    return total(lax.square(h))


def implicit_solution(a, b):
    """The norm of x in (a + a^T / 4) x = b."""
    m = lax.add(a, lax.mul(lax.transpose(a, (1, 0)), lax.full_like(a, 0.25)))
    return total(lax.square(solve(m, b)))


def convolution_by_slices(x, k):
    """Valid convolution of a signal, as a sum of shifted slices; then average pooling by reshape."""
    n, m = x.shape[0], k.shape[0]
    y = lax.full((n - m + 1,), 0.0, x.dtype)
    for i in range(m):
        weight = lax.squeeze(lax.slice_in_dim(k, i, i + 1), (0,))
        y = lax.add(y, lax.mul(lax.slice_in_dim(x, i, i + n - m + 1), lax.broadcast_in_dim(weight, y.shape, ())))
    return total(lax.square(lax.reduce_sum(lax.reshape(y, (y.shape[0] // 2, 2)), (1,))))


def layer_norm(x, gain):
    n = lax.full((x.shape[0],), x.shape[1], x.dtype)
    mu = lax.div(lax.reduce_sum(x, (1,)), n)
    c = lax.sub(x, columns(mu, x))
    sd = lax.sqrt(lax.add(lax.div(lax.reduce_sum(lax.square(c), (1,)), n), lax.full_like(n, 0.0009765625)))
    return lax.mul(lax.div(c, columns(sd, c)), rows(gain, c))


def dense(dtype):
    shapes = [(3, 4), (4,), (4, 2), (2,), (5, 3), (5, 2)]
    mlp = [numbers(dtype, *s, seed=i) for i, s in enumerate(shapes)]
    signs = array(dtype, [1, -1, 1, 1, -1])
    logistic = [numbers(dtype, 3), array(dtype, 0.25), numbers(dtype, 5, 3), signs]
    target = array(dtype, [[1, 0], [0, 1], [0, 1], [1, 0], [1, 0]])
    return mlp, logistic, [mlp[0], mlp[2], mlp[4], target]


def supervised(dtype):
    mlp, logistic, cross_entropy = dense(dtype)
    weights = "argnums=(0,1,2,3)"
    rows_ = [
        ("mlp", mlp_loss, mlp, "f"), ("mlp_grad", mlp_loss, mlp, f"value_and_grad(f, {weights})"),
        ("mlp_jit_grad", mlp_loss, mlp, f"jit(grad(f, {weights}))"),
        ("mlp_per_example", mlp_loss_of_one, mlp, "vmap(grad(f, argnums=(0,1)), in_axes=(none,none,none,none,0,0))"),
        ("mlp_hessian_bias", mlp_loss, mlp, "hessian(f, argnums=(1,3))"),
        ("cross_entropy_grad", relu_mlp_cross_entropy, cross_entropy, "jit(value_and_grad(f, argnums=(0,1)))"),
        ("logistic_grad", logistic_loss, logistic, "value_and_grad(f, argnums=(0,1))"),
        ("logistic_hessian", logistic_loss, logistic, "hessian(f)"),
        ("logistic_many_models", logistic_loss, [numbers(dtype, 2, 3), array(dtype, [0.25, -1])] + logistic[2:],
         "vmap(value_and_grad(f), in_axes=(0,0,none,none))"),
    ]
    for name, f, args, spec in rows_:
        yield Case(f"{name}_{dtype}", f, args, spec, TOLERANCE[dtype])


def models():
    yield from supervised("f64")
    yield from supervised("f32")
    tolerance = TOLERANCE["f64"]
    big = array("f64", [1000.0, 1000.5, 998.0])
    yield Case("logsumexp_large_grad", logsumexp, [big], "value_and_grad(f)", tolerance)
    yield Case("logsumexp_large_hessian", logsumexp, [big], "hessian(f)", tolerance)
    yield Case("logsumexp_rows_jacrev", logsumexp, [numbers("f64", 2, 3)], "jacrev(f)", tolerance)
    yield Case("softmax_jacfwd_f32", softmax, [numbers("f32", 4)], "jacfwd(f)", TOLERANCE["f32"])
    qkv = [numbers("f64", 2, 3, 2), numbers("f64", 2, 4, 2), numbers("f64", 2, 4, 3)]
    yield Case("attention", attention, qkv, "f", tolerance)
    yield Case("attention_vjp", attention, qkv + [numbers("f64", 2, 3, 3)], "vjp(f, args=3)", tolerance)
    yield Case("attention_jit_jvp", attention, qkv + [numbers("f64", *x.shape, seed=9) for x in qkv], "jit(jvp(f))", tolerance)
    a, b = well_conditioned("f64", 3, 3), numbers("f64", 3, 2)
    yield Case("solve", solve, [a, b], "f", tolerance)
    yield Case("solve_vjp", solve, [a, b, numbers("f64", 3, 2, seed=5)], "vjp(f, args=2)", tolerance)
    yield Case("solve_vmap_systems", solve, [np.stack([a, 2 * a.T]), b], "vmap(f, in_axes=(0,none))", tolerance)
    yield Case("implicit_grad", implicit_solution, [a, b], "value_and_grad(f, argnums=(0,1))", tolerance)
    yield Case("implicit_hessian", implicit_solution, [a, b], "hessian(f, argnums=(1,))", tolerance)
    yield Case("implicit_grad_grad", lambda s, a, b: implicit_solution(lax.mul(a, lax.broadcast_in_dim(s, a.shape, ())), b),
               [array("f64", 1.5), a, b], "grad(grad(f))", tolerance)
    yield Case("log_det_grad", log_det, [a], "value_and_grad(f)", tolerance)
    x, y = array("f64", [-1.0, 0.25, 1.5, 3.0]), numbers("f64", 4)
    yield Case("gaussian_process_grad", gaussian_process, [array("f64", 1.25), x, y], "value_and_grad(f)", norm(1e-11))
    yield Case("gaussian_process_second", gaussian_process, [array("f64", 1.25), x, y], "grad(grad(f))", norm(1e-11))
    p = array("f64", [0.5, 2.0, 8.0])
    yield Case("newton_derivatives", newton_cube_root, [p], "vmap(value_and_grad(f))", tolerance)
    yield Case("newton_second", newton_cube_root, [p], "jit(vmap(grad(grad(f))))", norm(1e-10))
    rnn = [numbers("f64", 2, 2), numbers("f64", 2, 3), numbers("f64", 4, 3)]
    yield Case("recurrent_grad", recurrent, rnn, "value_and_grad(f, argnums=(0,1,2))", tolerance)
    yield Case("recurrent_vmap_sequences", recurrent, rnn[:2] + [numbers("f64", 2, 4, 3)],
               "vmap(grad(f), in_axes=(none,none,0))", tolerance)
    yield Case("convolution_grad", convolution_by_slices, [numbers("f64", 8), numbers("f64", 3)],
               "grad(f, argnums=(0,1))", tolerance)
    yield Case("layer_norm_vjp", layer_norm, [numbers("f64", 2, 4), numbers("f64", 4), numbers("f64", 2, 4, seed=2)],
               "vjp(f, args=2)", tolerance)
    yield Case("layer_norm_f32", layer_norm, [numbers("f32", 2, 4), numbers("f32", 4)], "f", TOLERANCE["f32"])


FAMILIES = {"models": models}
