// A copy of one message that shares the messages below it.
#pragma once
#include <google/protobuf/arena.h>
#include <google/protobuf/message.h>

#include <vector>

namespace connx {

using google::protobuf::Arena;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

inline void copy_scalars(const Reflection *reflection, const FieldDescriptor *field, const Message &from, Message *to) {
  const int count = reflection->FieldSize(from, field);
  for (int i = 0; i < count; ++i) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        reflection->AddInt32(to, field, reflection->GetRepeatedInt32(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection->AddInt64(to, field, reflection->GetRepeatedInt64(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        reflection->AddUInt32(to, field, reflection->GetRepeatedUInt32(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        reflection->AddUInt64(to, field, reflection->GetRepeatedUInt64(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        reflection->AddFloat(to, field, reflection->GetRepeatedFloat(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection->AddDouble(to, field, reflection->GetRepeatedDouble(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection->AddBool(to, field, reflection->GetRepeatedBool(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        reflection->AddEnumValue(to, field, reflection->GetRepeatedEnumValue(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        reflection->AddString(to, field, reflection->GetRepeatedString(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;
    }
  }
}

inline void copy_scalar(const Reflection *reflection, const FieldDescriptor *field, const Message &from, Message *to) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection->SetInt32(to, field, reflection->GetInt32(from, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection->SetInt64(to, field, reflection->GetInt64(from, field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->SetUInt32(to, field, reflection->GetUInt32(from, field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection->SetUInt64(to, field, reflection->GetUInt64(from, field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection->SetFloat(to, field, reflection->GetFloat(from, field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection->SetDouble(to, field, reflection->GetDouble(from, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->SetBool(to, field, reflection->GetBool(from, field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection->SetEnumValue(to, field, reflection->GetEnumValue(from, field));
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->SetString(to, field, reflection->GetString(from, field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return;
  }
}

/// A copy that shares its submessages with the original. An arena frees neither, so that each stays its owner's.
template <typename T>
T *shallow(const T &from, Arena *arena) {
  T *to = Arena::CreateMessage<T>(arena);
  const Reflection *reflection = from.GetReflection();
  std::vector<const FieldDescriptor *> fields;
  reflection->ListFields(from, &fields);
  for (const FieldDescriptor *field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      if (field->is_repeated()) {
        copy_scalars(reflection, field, from, to);
      } else {
        copy_scalar(reflection, field, from, to);
      }
    } else if (field->is_repeated()) {
      const int count = reflection->FieldSize(from, field);
      for (int i = 0; i < count; ++i) {
        reflection->UnsafeArenaAddAllocatedMessage(
            to, field, const_cast<Message *>(&reflection->GetRepeatedMessage(from, field, i)));
      }
    } else {
      reflection->UnsafeArenaSetAllocatedMessage(
          to, const_cast<Message *>(&reflection->GetMessage(from, field)), field);
    }
  }
  const auto &unknown = reflection->GetUnknownFields(from);
  if (!unknown.empty()) reflection->MutableUnknownFields(to)->MergeFrom(unknown);
  return to;
}

}  // namespace connx
