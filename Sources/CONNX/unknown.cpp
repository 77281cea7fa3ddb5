#include "messages.hpp"

namespace connx {

using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

int unknown_count(const UnknownFieldSet &fields, int number) {
  int count = 0;
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField &field = fields.field(i);
    count += field.number() == number && field.type() == UnknownField::TYPE_LENGTH_DELIMITED;
  }
  return count;
}

connx_bytes unknown_bytes(const UnknownFieldSet &fields, int number, int index) {
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField &field = fields.field(i);
    if (field.number() != number || field.type() != UnknownField::TYPE_LENGTH_DELIMITED) continue;
    if (index-- == 0) return bytes(field.length_delimited());
  }
  return no_bytes();
}

static bool varint(const char *&at, const char *end, uint64_t &value) {
  value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (at == end) return false;
    const uint8_t byte = static_cast<uint8_t>(*at++);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

connx_entry entry(connx_bytes message) {
  connx_entry result{no_bytes(), no_bytes()};
  const char *at = message.data;
  const char *const end = at + message.size;
  uint64_t tag, size;
  // An entry has two strings, fields 1 and 2; whatever else stands there ends the reading.
  while (at != end && varint(at, end, tag)) {
    if ((tag != 10 && tag != 18) || !varint(at, end, size)) break;
    if (size > static_cast<uint64_t>(end - at)) break;
    (tag == 10 ? result.key : result.value) = {at, static_cast<size_t>(size)};
    at += size;
  }
  return result;
}

}  // namespace connx
