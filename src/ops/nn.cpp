#include "ops/nn.hpp"

#include "ops/numpy.hpp"

namespace jv::nn {

// Not max(x, 0): its derivative at 0 is 1/2. NaN is not <= 0 and stays.
Tracer relu(const Tracer& x) {
  Tracer zero = zeros_like(x);
  return select(le(x, zero), zero, x);
}

Tracer sigmoid(const Tracer& x) { return logistic(x); }

// x + log1p(exp(-x)) for positive x, log1p(exp(x)) for others. Each is smooth, so that derivatives
// of every order are right, at 0 too; max and abs would lose the second one there.
Tracer softplus(const Tracer& x) {
  Tracer zero = zeros_like(x), positive = gt(x, zero);
  Tracer linear = select(positive, x, zero);
  Tracer below = select(positive, -x, x);
  return linear + log1p(exp(below));
}

// The largest element along axes, repeated; a constant for derivatives, because it cancels.
static Tracer pivot(const Tracer& x, const Ints& axes) {
  return stop_gradient(reduce_max(x, axes));
}

Tracer logsumexp(const Tracer& x, const Axes& axes) {
  Ints over = axes_of("logsumexp", axes, x.aval());
  Tracer largest = pivot(x, over), finite = is_finite(largest);
  Tracer shift = select(finite, largest, zeros_like(largest));
  Tracer terms = exp(x - np::repeat(shift, x.shape(), over));
  return log(reduce_sum(terms, over)) + shift;
}

Tracer softmax(const Tracer& x, int64_t axis) {
  Ints over{axis_of("softmax", axis, x.aval())};
  Tracer terms = exp(x - np::repeat(pivot(x, over), x.shape(), over));
  return terms / np::repeat(reduce_sum(terms, over), x.shape(), over);
}

Tracer log_softmax(const Tracer& x, int64_t axis) {
  Ints over{axis_of("log_softmax", axis, x.aval())};
  Tracer shifted = x - np::repeat(pivot(x, over), x.shape(), over);
  Tracer total = log(reduce_sum(exp(shifted), over));
  return shifted - np::repeat(total, x.shape(), over);
}

}  // namespace jv::nn
