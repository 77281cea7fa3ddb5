import CONNX

/// The way back: the original's bytes as a delta from the patched file's, carried in the patched file.
///
/// A patched file is `base` followed by one `metadata_props` entry, which protobuf adds to the others. The entry holds,
/// in base 64, a header (magic, the sizes of original and base, the original's SHA-256) and the deflated delta: copies
/// from the base and insertions. What was removed from the graph travels in the insertions.
public enum RestoreDelta {
  public static let key = "isa.restore"
  private static let magic = Array("ISAD1".utf8)
  private static let metadataField: UInt64 = 14
  private static let digestCount = 32

  /// The patched file: a model's bytes with the entry that leads back to the original.
  ///
  /// - Parameter digest: the original's SHA-256 where it is known already.
  /// - Throws: `tooLarge` where both together exceed protobuf's 2 GiB; `outOfMemory`.
  public static func patched(
    base: [UInt8], original: UnsafeRawBufferPointer, digest: [UInt8]? = nil, path: String
  ) throws(ModelError) -> [UInt8] {
    let delta = base.withUnsafeBytes { encode(base: $0, original: original) }
    guard let packed = deflated(delta) else { throw .outOfMemory(path: path) }
    var content = magic
    content += WireFormat.varint(UInt64(original.count))
    content += WireFormat.varint(UInt64(base.count))
    content += digest ?? SHA256.digest(original)
    content += WireFormat.varint(UInt64(delta.count))
    content += packed
    let value = Base64.encode(content)
    let entry =
      WireFormat.field(1, count: key.utf8.count) + Array(key.utf8) + WireFormat.field(2, count: value.count) + value
    let tail = WireFormat.field(metadataField, count: entry.count) + entry
    guard base.count + tail.count <= Int(Int32.max) else {
      throw .tooLarge(path: path, bytes: Int64(base.count + tail.count))
    }
    guard original.count <= sizeLimit(base: base.count) else {
      throw .tooLarge(path: path, bytes: Int64(original.count))
    }
    return base + tail
  }

  /// Bytes that an original may have: a delta of a few bytes could claim a file of gigabytes.
  private static func sizeLimit(base count: Int) -> Int { Swift.min(Int(Int32.max), 64 * count + 64 << 20) }

  /// The original's bytes, their SHA-256 checked.
  ///
  /// - Throws: `notRestorable`.
  public static func restored(from patched: UnsafeRawBufferPointer) throws(ModelError) -> [UInt8] {
    guard let (base, value) = split(patched) else {
      throw .notRestorable(reason: "the file holds no way back, or something was written after it")
    }
    guard let content = Base64.decode(value) else { throw .notRestorable(reason: "the way back is damaged") }
    let result = content.withUnsafeBytes { decode($0, base: base) }
    guard let (original, digest) = result else {
      throw .notRestorable(reason: "the file was changed after it was patched")
    }
    guard SHA256.digest(original) == digest else {
      throw .notRestorable(reason: "the result's SHA-256 is not the original's, so the file was changed")
    }
    return original
  }

  public static func restored(from patched: [UInt8]) throws(ModelError) -> [UInt8] {
    try patched.withUnsafeBytes { bytes in
      Result { () throws(ModelError) -> [UInt8] in try restored(from: bytes) }
    }.get()
  }

  /// The patched file without the entry, and the entry's value; nil where the last field is another.
  private static func split(
    _ patched: UnsafeRawBufferPointer
  ) -> (base: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)? {
    var reader = WireFormat.Reader(patched)
    var last: (start: Int, content: UnsafeRawBufferPointer)?
    while !reader.isAtEnd {
      let start = reader.at
      guard let (number, content) = reader.field() else { return nil }
      last = number == metadataField ? content.map { (start, $0) } : nil
    }
    guard let last else { return nil }
    var entry = WireFormat.Reader(last.content)
    guard let name = entry.field(), name.number == 1, let nameBytes = name.content, nameBytes.elementsEqual(key.utf8),
      let text = entry.field(), text.number == 2, let value = text.content, entry.isAtEnd
    else { return nil }
    return (UnsafeRawBufferPointer(rebasing: patched[..<last.start]), value)
  }

  // MARK: The delta

  /// Three parts, each after its length: the operations (copy count, where from as a step from the last copy's end,
  /// insert count), then the inserted bytes.
  private static func encode(base: UnsafeRawBufferPointer, original: UnsafeRawBufferPointer) -> [UInt8] {
    var operations: [UInt8] = []
    var inserted: [UInt8] = []
    var last = 0
    for piece in BlockMatcher(base: base, target: original).pieces() {
      switch piece {
      case .copy(let offset, let count):
        operations += WireFormat.varint(UInt64(count) << 1)
        operations += WireFormat.varint(WireFormat.zigzag(offset - last))
        last = offset + count
      case .insert(let range):
        operations += WireFormat.varint(UInt64(range.count) << 1 | 1)
        inserted += original[range]
      }
    }
    return WireFormat.varint(UInt64(operations.count)) + operations + inserted
  }

  private static func decode(
    _ content: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer
  ) -> (original: [UInt8], digest: [UInt8])? {
    var reader = WireFormat.Reader(content)
    guard let start = reader.take(magic.count), start.elementsEqual(magic), let size = reader.varint(),
      size <= UInt64(sizeLimit(base: base.count)), reader.varint() == UInt64(base.count), let digest = reader.take(digestCount),
      // Operations take less than what they make, and insertions are part of it.
      let deltaSize = reader.varint(), deltaSize <= 2 * size + 64, let packed = reader.take(content.count - reader.at),
      let delta = inflated(packed, count: deltaSize)
    else { return nil }
    let original = delta.withUnsafeBytes { apply($0, base: base, count: Int(size)) }
    return original.map { ($0, Array(digest)) }
  }

  private static func apply(
    _ delta: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer, count: Int
  ) -> [UInt8]? {
    var reader = WireFormat.Reader(delta)
    guard let operationCount = reader.count(), let operations = reader.take(operationCount) else { return nil }
    var steps = WireFormat.Reader(operations)
    var original: [UInt8] = []
    original.reserveCapacity(Swift.min(count, base.count + delta.count))
    var last = 0
    while !steps.isAtEnd {
      guard let head = steps.varint(), head >> 1 <= UInt64(count - original.count) else { return nil }
      let length = Int(head >> 1)
      if head & 1 == 1 {
        guard let bytes = reader.take(length) else { return nil }
        original += bytes
      } else {
        guard let step = steps.varint() else { return nil }
        let (offset, overflow) = last.addingReportingOverflow(WireFormat.unzigzag(step))
        guard !overflow, offset >= 0, length <= base.count, offset <= base.count - length else { return nil }
        original += base[offset..<offset + length]
        last = offset + length
      }
    }
    return original.count == count && reader.isAtEnd ? original : nil
  }

  // MARK: zlib

  private static func deflated(_ bytes: [UInt8]) -> [UInt8]? {
    let capacity = connx_deflate_bound(bytes.count)
    let packed = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
      guard let start = buffer.baseAddress else { return }
      count = connx_deflate(bytes, bytes.count, start, capacity)
    }
    return packed.isEmpty ? nil : packed
  }

  /// Deflate makes a byte from 1/1032 of one at least: a larger claim is not allocated.
  private static func inflated(_ packed: UnsafeRawBufferPointer, count: UInt64) -> [UInt8]? {
    guard count > 0, count <= UInt64(packed.count) * 1032 else { return nil }
    var code: Int32 = 1
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(count)) { buffer, initialized in
      guard let start = buffer.baseAddress else { return }
      code = connx_inflate(packed.baseAddress, packed.count, start, Int(count))
      initialized = code == 0 ? Int(count) : 0
    }
    return code == 0 ? bytes : nil
  }
}
