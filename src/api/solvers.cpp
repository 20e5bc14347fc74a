#include "api/solvers.hpp"

#include "api/body.hpp"
#include "primitives/ops.hpp"
#include "transforms/simplify.hpp"
#include "transforms/transpose.hpp"

namespace jv {
namespace {

void check_floats(const char* who, const char* what, const Flat& x) {
  for (size_t i = 0; i < x.avals.size(); ++i)
    if (!x.avals[i]->is_float())
      fail(Code::dtype, who, ": ", what, x.tree->path(i), " is ", to_string(x.avals[i]),
           ", expected a floating dtype");
}

// What a solver gives: x, or (x, aux), where x is of the type of `like`.
void check_solution(const char* who, const std::string& what, bool has_aux, const Flat& like,
                    const Tree& got, Operands leaves) {
  if (has_aux && (got->node != Node::tuple || got->children.size() != 2))
    fail(Code::tree, who, ": ", what, " must be (x, aux), got the structure ", got->text());
  check_same(who, what.c_str(), like.tree, like.avals, has_aux ? got->children[0] : got, leaves);
}

// f as a jaxpr from values of x's type to such values.
StageTrace::Closed recorded(View& cx, const char* who, const char* what, Function& f,
                            const Flat& x) {
  return simplified(stage(
      cx.root(), x.avals,
      [&](Operands a) {
        Tree out;
        Tracers leaves = call_inside(cx, f, {&x.tree, 1}, a, out);
        check_same(who, str("the result of ", what).c_str(), x.tree, x.avals, out, leaves);
        return leaves;
      },
      who));
}

// solve(f, x) as a jaxpr of x; `out` is the structure of its result.
StageTrace::Closed solver(View& cx, const char* who, const char* what, Function& solve,
                          const FunctionRef& f, const Flat& x, bool has_aux, Tree& out) {
  return simplified(stage(
      cx.root(), x.avals,
      [&](Operands a) {
        Session& session = cx.session();
        Values args{function_value(session, f), unflatten_all(session, x.tree, a)};
        Tracers leaves = call_inside(cx, solve, args, out);
        check_solution(who, str("the result of ", what), has_aux, x, out, leaves);
        return leaves;
      },
      who));
}

// ---- custom_linear_solve

constexpr const char* linear_solve_name = "custom_linear_solve";

StageTrace::Closed transposed(Context& cx, const StageTrace::Closed& matvec, const Flat& b) {
  try {
    check_transposable(*matvec.jaxpr, matvec.captured.size());
  } catch (Error& e) {
    e.message = str(linear_solve_name, ": matvec has no transpose: ", e.message);
    throw;
  }
  return simplified(stage(
      cx, b.avals,
      [&](Operands cts) {
        Tracers in = join(matvec.captured, Tracers(b.leaves.size()));
        Tracers all = transpose(cx, *matvec.jaxpr, in, cts), back;
        for (size_t i = 0; i < cts.size(); ++i) {
          const Tracer& found = all[matvec.captured.size() + i];
          back.push_back(found ? found : zeros_like(cts[i]));
        }
        return back;
      },
      linear_solve_name));
}

// The product as a function that a solver may call, and differentiate.
FunctionRef as_function(View& cx, std::string name, const StageTrace::Closed& product,
                        const Flat& b) {
  Linearized l;
  l.linear = product.jaxpr;
  l.residuals = product.captured;
  l.has_tangent = Flags(b.leaves.size(), true);
  return linear_map(cx, std::move(name), l, b.tree, b.avals);
}

}  // namespace

ValueRef custom_linear_solve(View& cx, Function& matvec, const ValueRef& b, Function& solve,
                             const LinearSolveOptions& options) {
  return noted_in(linear_solve_name, [&] {
    Flat rhs(cx, *b);
    check_floats(linear_solve_name, "b", rhs);
    Tree out, ignored;
    auto closed = [&](const char* what, Function& f, const StageTrace::Closed& product,
                      Tree& tree) {
      return solver(cx, linear_solve_name, what, f, as_function(cx, matvec.name(), product, rhs),
                    rhs, options.has_aux, tree);
    };
    LinearSolve s;
    s.matvec = recorded(cx, linear_solve_name, "matvec", matvec, rhs);
    s.solve = closed("solve", solve, s.matvec, out);
    if (options.transpose_solve || options.symmetric)
      s.vecmat = options.symmetric ? s.matvec : transposed(cx.root(), s.matvec, rhs);
    if (options.transpose_solve)
      s.transpose_solve = closed("transpose_solve", *options.transpose_solve, s.vecmat, ignored);
    else if (options.symmetric) s.transpose_solve = s.solve;
    return unflatten_all(cx.session(), out, linear_solve(cx.root(), cx.place(), s, rhs.leaves));
  });
}

// ---- custom_root

namespace {

constexpr const char* root_name = "custom_root";

// (x, df) -> dx: f changes by df where x stays, and by g(dx) where it moves, in all by nothing.
StageTrace::Closed root_tangent(View& cx, const StageTrace::Closed& f, Function& tangent_solve,
                                const std::string& name, const Flat& x) {
  size_t n = x.leaves.size();
  Avals types = x.avals;
  types.append(x.avals);
  Flags perturbed(f.captured.size(), false);
  perturbed.append(Flags(n, true));
  return simplified(stage(
      cx.root(), types,
      [&](Operands a) {
        JaxprRef quiet = silent(*f.jaxpr);
        Linearized l = linearize(cx.root(), Interpret{cx.root(), *quiet},
                                 join(f.captured, a.subspan(0, n)), perturbed);
        simplify_linear(l);
        Session& session = cx.session();
        Values args{function_value(session, linear_map(cx, name, l, x.tree, x.avals)),
                    unflatten_all(session, x.tree, a.subspan(n))};
        Tree out;
        Tracers found = call_inside(cx, tangent_solve, args, out);
        check_same(root_name, "the result of tangent_solve", x.tree, x.avals, out, found);
        for (Tracer& t : found) t = neg(t);
        return found;
      },
      root_name));
}

}  // namespace

ValueRef custom_root(View& cx, Function& f, const ValueRef& guess, Function& solve,
                     Function& tangent_solve, bool has_aux) {
  return noted_in(root_name, [&] {
    Flat x(cx, *guess);
    check_floats(root_name, "the guess", x);
    Tree out;
    RootSolve s;
    s.f = recorded(cx, root_name, "f", f, x);
    s.solve = solver(cx, root_name, "solve", solve, FunctionRef(&f), x, has_aux, out);
    s.tangent = root_tangent(cx, s.f, tangent_solve, f.name(), x);
    return unflatten_all(cx.session(), out, custom_root(cx.root(), cx.place(), s, x.leaves));
  });
}

// ---- fixed_point

ValueRef fixed_point(View& cx, Function& f, const ValueRef& params, const ValueRef& guess,
                     const Iteration& iteration) {
  constexpr const char* who = "fixed_point";
  return noted_in(who, [&] {
    Flat p(cx, *params), x(cx, *guess);
    check_floats(who, "the guess", x);
    Avals types = p.avals;
    types.append(x.avals);
    Tree trees[] = {p.tree, x.tree};
    auto step = simplified(stage(
        cx.root(), types,
        [&](Operands a) {
          Tree out;
          Tracers leaves = call_inside(cx, f, trees, a, out);
          check_same(who, "the result of f", x.tree, x.avals, out, leaves);
          return leaves;
        },
        who));
    step.captured.append(p.leaves);
    return unflatten_all(cx.session(), x.tree,
                         fixed_point(cx.root(), cx.place(), step, x.leaves, iteration));
  });
}

}  // namespace jv
