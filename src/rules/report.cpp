// debug_print and debug_callback: equations with an effect and without results. They tell of the
// primal under jvp, and under vmap of one element after the other.
#include "rules/report.hpp"

#include "control/scan.hpp"
#include "primitives/define.hpp"

namespace jv {
namespace {

// Calls text(piece) for what stands between the {} of a format, and value(k) for the k-th of them.
template <class Text, class ValueAt>
size_t walk(std::string_view format, Text&& text, ValueAt&& value) {
  size_t n = 0;
  while (!format.empty()) {
    size_t brace = format.find_first_of("{}");
    text(format.substr(0, brace));
    if (brace == format.npos) break;
    char open = format[brace], next = brace + 1 < format.size() ? format[brace + 1] : 0;
    if (open == next) text(format.substr(brace, 1));
    else if (open == '{' && next == '}') value(n++);
    else
      fail(Code::invalid_argument, "debug_print: '", open,
           "' in the format is none of {}, {{ and }}");
    format.remove_prefix(brace + 2);
  }
  return n;
}

void print_aval(Session&, std::span<const Aval> in, const Params& params, Avals&) {
  size_t n = walk(
      params.word("fmt"), [](auto) {}, [](size_t) {});
  if (n != in.size())
    fail(Code::invalid_argument, "debug_print: the format has ", n, " {} for ", in.size(),
         " values");
}

void print_eval(const EvalArgs& a) {
  std::string line;
  walk(
      a.params.word("fmt"), [&](std::string_view text) { line += text; },
      [&](size_t k) { line += to_string(a.in[k]); });
  a.session.print(line);
}

Tracers callback_expand(Context& cx, const Primitive&, Operands operands, const Params& params) {
  params.object<HostCallback>("callback").call(cx, operands);
  return {};
}

Batched report_batch(BatchTrace& t, const Primitive& p, MappedOperands in, const Params& params) {
  in_turn(t.cx, t.size, in, [&](Operands row) { return jv::bind(p, row, ParamsRef(&params)); });
  return {};
}

constexpr const char* tells_of_a_tangent =
    "is given a tangent, which reverse mode never has; tell of the cotangent in bwd, or by a probe";

}  // namespace

void debug_print(Trace& at, const std::string& format, Operands values) {
  bind_at(at, debug_print_p, values, at.cx.session().params().make(debug_print_p.sig, {format}));
}

void debug_callback(Trace& at, Ref<const HostCallback> callback, Operands values) {
  auto& table = at.cx.session().params();
  bind_at(at, debug_callback_p, values, table.make(debug_callback_p.sig, {Object(callback)}));
}

constexpr Primitive debug_print_p = define({
    .name = "debug_print",
    .signature = "operands..., fmt: text",
    .doc = "Prints values.",
    .abstract_eval = print_aval,
    .eval = print_eval,
    .batch_all = report_batch,
    .effects = Effects::unordered,
    .no_transpose = tells_of_a_tangent,
    .differentiable = false,
    .internal = true,
});

constexpr Primitive debug_callback_p = define({
    .name = "debug_callback",
    .signature = "operands..., callback: object",
    .doc = "Calls a function of the host with values.",
    .abstract_eval = [](auto&, auto, auto&, auto&) {},
    .expand = callback_expand,
    .batch_all = report_batch,
    .effects = Effects::unordered,
    .no_transpose = tells_of_a_tangent,
    .differentiable = false,
    .internal = true,
});

}  // namespace jv
