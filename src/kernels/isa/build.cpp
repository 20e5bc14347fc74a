// One build of the kernels, put together.
#include "kernels/table.hpp"

#define JV_TEXT_OF(name) #name
#define JV_TEXT(name) JV_TEXT_OF(name)

namespace jv::kernels::JV_ISA {

constinit const Build build = {
    JV_TEXT(JV_ISA), unary_table,  binary_table, convert_table,
    reduce_table,    threefry2x32, random_bits,
};

}  // namespace jv::kernels::JV_ISA
