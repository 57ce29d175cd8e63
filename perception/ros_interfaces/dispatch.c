/* Finds the type support functions of a message package inside the one shared object that holds them all.
 *
 * The middleware asks a handle for the type support it understands (Fast DDS: fastrtps_c and introspection_c). The
 * stock dispatcher loads a library per package and support by name; here both are linked into this object, so their
 * accessors are looked up in it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "rosidl_runtime_c/message_type_support_struct.h"
#include "rosidl_runtime_c/service_type_support_struct.h"
#include "rosidl_typesupport_c/type_support_map.h"

static void * this_object(void)
{
  static void * handle;
  Dl_info info;
  if (!handle && dladdr((void *)&this_object, &info)) {
    handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  }
  return handle;
}

static const void * type_support(const type_support_map_t * map, const char * identifier)
{
  void * object = this_object();
  for (size_t i = 0; object && i < map->size; ++i) {
    if (strcmp(map->typesupport_identifier[i], identifier) == 0) {
      const void * (*accessor)(void) = (const void * (*)(void))dlsym(object, map->symbol_name[i]);
      return accessor ? accessor() : NULL;
    }
  }
  return NULL;
}

const rosidl_message_type_support_t * perception_message_dispatch(
  const rosidl_message_type_support_t * handle, const char * identifier)
{
  return strcmp(handle->typesupport_identifier, identifier) == 0 ? handle : type_support(handle->data, identifier);
}

const rosidl_service_type_support_t * perception_service_dispatch(
  const rosidl_service_type_support_t * handle, const char * identifier)
{
  return strcmp(handle->typesupport_identifier, identifier) == 0 ? handle : type_support(handle->data, identifier);
}
