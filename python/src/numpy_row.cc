#include "numpy_row.h"

#include <optional>

namespace tercet::python {
namespace {

namespace nb = nanobind;

/// What NumPy 1.7 and all since export under these numbers, and how their arrays begin: both are
/// parts of its binary interface, which compiled extensions hold on to.
constexpr int kArrayType = 2, kNewArray = 93;
constexpr int kDouble = 12;
using NewArray = PyObject* (*)(PyTypeObject* type, int dimensions, const Py_ssize_t* shape,
                               int number_type, const Py_ssize_t* strides, void* data,
                               int item_size, int flags, PyObject* like);
struct Array {
  PyObject_HEAD
  char* data;
};

struct Interface {
  PyTypeObject* type;
  NewArray make;
};

Interface Load() {
  nb::object module;
  try {
    module = nb::module_::import_("numpy._core._multiarray_umath");
  } catch (nb::python_error& error) {
    if (!error.matches(PyExc_ImportError)) throw;
    module = nb::module_::import_("numpy.core._multiarray_umath");  // before NumPy 2
  }
  void** const table =
      static_cast<void**>(PyCapsule_GetPointer(module.attr("_ARRAY_API").ptr(), nullptr));
  if (table == nullptr) throw nb::python_error();
  return {static_cast<PyTypeObject*>(table[kArrayType]),
          reinterpret_cast<NewArray>(table[kNewArray])};
}

}  // namespace

nb::object NewNumpyRow(size_t count, double** numbers) {
  // Guarded by the interpreter's lock, which an import may give away: so it may be loaded twice.
  static std::optional<Interface> numpy;
  if (!numpy) numpy = Load();
  const auto size = static_cast<Py_ssize_t>(count);
  nb::object array =
      nb::steal(numpy->make(numpy->type, 1, &size, kDouble, nullptr, nullptr, 0, 0, nullptr));
  if (!array.is_valid()) throw nb::python_error();
  *numbers = reinterpret_cast<double*>(reinterpret_cast<Array*>(array.ptr())->data);
  return array;
}

}  // namespace tercet::python
