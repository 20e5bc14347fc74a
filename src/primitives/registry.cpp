// The table of all primitives, in alphabetical order.
// Written by tools/gen_ops.py from the primitives' blocks; do not edit.
#include "primitives/registry.hpp"

#include <algorithm>

#include "primitives/ops.hpp"

namespace jv {

static constexpr const Primitive* table[] = {
    &abs_p,
    &add_p,
    &and_p,
    &bitcast_convert_type_p,
    &broadcast_in_dim_p,
    &checkpoint_p,
    &concatenate_p,
    &cond_p,
    &convert_element_type_p,
    &cos_p,
    &custom_jvp_call_p,
    &custom_lin_p,
    &custom_lin_jaxprs_p,
    &custom_linear_solve_p,
    &custom_vjp_call_p,
    &custom_vmap_call_p,
    &debug_callback_p,
    &debug_print_p,
    &div_p,
    &dot_general_p,
    &eq_p,
    &erf_inv_p,
    &exp_p,
    &expm1_p,
    &floor_p,
    &ge_p,
    &gt_p,
    &host_bwd_p,
    &host_call_p,
    &integer_pow_p,
    &iota_p,
    &is_finite_p,
    &call_p,
    &le_p,
    &linear_call_p,
    &log_p,
    &log1p_p,
    &logistic_p,
    &lt_p,
    &lu_p,
    &max_p,
    &min_p,
    &mul_p,
    &name_p,
    &ne_p,
    &neg_p,
    &not_p,
    &or_p,
    &pad_p,
    &pow_p,
    &random_bits_p,
    &reduce_max_p,
    &reduce_min_p,
    &reduce_sum_p,
    &reshape_p,
    &scan_p,
    &select_n_p,
    &shift_left_p,
    &shift_right_logical_p,
    &sign_p,
    &sin_p,
    &slice_p,
    &sqrt_p,
    &square_p,
    &squeeze_p,
    &stop_gradient_p,
    &sub_p,
    &tanh_p,
    &threefry2x32_p,
    &transpose_p,
    &triangular_solve_p,
    &while_p,
    &xor_p,
};

std::span<const Primitive* const> primitives() { return table; }

const Primitive* find_primitive(std::string_view name) {
  auto less = [](const Primitive* p, std::string_view n) { return p->name < n; };
  auto it = std::lower_bound(std::begin(table), std::end(table), name, less);
  return it != std::end(table) && (*it)->name == name ? *it : nullptr;
}

}  // namespace jv
