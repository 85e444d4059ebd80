#include "errors.h"

namespace tercet::python {

void BindErrors(nb::module_&) {
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const StatusError& error) {
      const std::string code = error.status.CodeAsString();
      // tercet.errors maps Arrow's code names to exception classes.
      nb::object type = nb::module_::import_("tercet.errors").attr("of_code")(code.c_str());
      PyErr_SetString(type.ptr(), error.status.message().c_str());
    }
  });
}

}  // namespace tercet::python
