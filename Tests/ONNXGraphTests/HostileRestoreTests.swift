import ONNXGraph
import TestSupport
import Testing

/// Ways back that were written by hand: each is refused, and none is given the memory that it claims.
@Suite struct HostileRestoreTests {
  private static let base = Proto().text(2, "base").bytes

  /// zlib's format with one stored block.
  private static func stored(_ bytes: [UInt8]) -> [UInt8] {
    var (a, b): (UInt32, UInt32) = (1, 0)
    for byte in bytes {
      a = (a + UInt32(byte)) % 65521
      b = (b + a) % 65521
    }
    let (low, high) = (UInt8(bytes.count & 255), UInt8(bytes.count >> 8))
    let sum = b << 16 | a
    return [0x78, 0x01, 1, low, high, ~low, ~high] + bytes
      + (0..<4).map { UInt8(truncatingIfNeeded: sum >> (24 - 8 * UInt32($0))) }
  }

  private static func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    return stride(from: 0, to: bytes.count, by: 3).map { start in
      let three = bytes[start..<min(start + 3, bytes.count)]
      let word = three.reduce(0) { $0 << 8 | UInt32($1) } << (8 * UInt32(3 - three.count))
      return (0..<4).map { $0 <= three.count ? String(alphabet[Int(word >> (18 - 6 * UInt32($0)) & 63)]) : "=" }.joined()
    }.joined()
  }

  /// A file whose entry holds these sizes and this delta.
  private static func file(
    original: UInt64, base claimed: UInt64? = nil, delta: [UInt8], deltaSize: UInt64? = nil, digest: [UInt8]? = nil
  ) -> [UInt8] {
    var content = Array("ISAD1".utf8) + Proto.varint(original) + Proto.varint(claimed ?? UInt64(base.count))
    content += digest ?? [UInt8](repeating: 0, count: 32)
    content += Proto.varint(deltaSize ?? UInt64(delta.count)) + stored(delta)
    return base + Proto().message(14, Proto().text(1, "isa.restore").text(2, base64(content))).bytes
  }

  /// Operations after their length, then insertions.
  private static func delta(_ operations: [UInt64], inserted: [UInt8] = []) -> [UInt8] {
    let list = operations.flatMap(Proto.varint)
    return Proto.varint(UInt64(list.count)) + list + inserted
  }

  private func isRefused(_ file: [UInt8]) -> Bool {
    do throws(ModelError) {
      _ = try RestoreDelta.restored(from: file)
      return false
    } catch {
      if case .notRestorable = error { return error.category == .data && !error.message.isEmpty }
      return false
    }
  }

  /// The format is as this test writes it: a sound file is restored.
  @Test func aSoundFile() throws {
    // Inserts "abc"; its SHA-256 is FIPS 180's first example.
    let digest: [UInt8] = [
      0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61,
      0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
    ]
    let file = Self.file(original: 3, delta: Self.delta([3 << 1 | 1], inserted: Array("abc".utf8)), digest: digest)
    #expect(try RestoreDelta.restored(from: file) == Array("abc".utf8))
    #expect(isRefused(Self.file(original: 3, delta: Self.delta([3 << 1 | 1], inserted: Array("abd".utf8)), digest: digest)))
  }

  @Test(arguments: [1 << 31, 1 << 40, 1 << 60, UInt64.max]) func claimsOfGigabytes(size: UInt64) {
    let nothing = Self.delta([])
    #expect(isRefused(Self.file(original: size, delta: nothing)))
    #expect(isRefused(Self.file(original: 1, base: size, delta: nothing)))
    #expect(isRefused(Self.file(original: 1, delta: nothing, deltaSize: size)))
    #expect(isRefused(Self.file(original: 1 << 20, delta: Self.delta([size << 1 | 1]))))
    #expect(isRefused(Self.file(original: 1 << 20, delta: Self.delta([size << 1, 0]))))
  }

  /// A copy of the whole base costs three bytes: a small file could ask for any size.
  @Test func copiesThatMultiply() {
    let all = UInt64(Self.base.count)
    let copies = (0..<20_000).flatMap { _ in [all << 1, (all << 1) - 1] }
    #expect(isRefused(Self.file(original: (1 << 31) - 1, delta: Self.delta(Array(copies.prefix(20_000))))))
    #expect(isRefused(Self.file(original: 64 << 20, delta: Self.delta(Array(copies.prefix(20_000))))))
  }

  /// Copies that begin before the base, end behind it, or jump so far that the sum overflows.
  @Test(arguments: [
    [1 << 1, 1], [7 << 1, 0], [1 << 1, 6 << 1], [1 << 1, UInt64.max], [1 << 1, UInt64.max - 1], [2 << 1, 10],
    [1 << 1, 0, 1 << 1, UInt64.max - 1], [1 << 1],
  ] as [[UInt64]])
  func copiesFromOutside(operations: [UInt64]) {
    for size in [1, 2, 7, 1000] as [UInt64] { #expect(isRefused(Self.file(original: size, delta: Self.delta(operations)))) }
  }

  @Test func insertionsThatAreNotThere() {
    #expect(isRefused(Self.file(original: 5, delta: Self.delta([5 << 1 | 1], inserted: [1, 2, 3]))))
    #expect(isRefused(Self.file(original: 2, delta: Self.delta([2 << 1 | 1], inserted: [1, 2, 3]))))
    #expect(isRefused(Self.file(original: 2, delta: Proto.varint(1 << 60) + [5, 1, 2])))
    #expect(isRefused(Self.file(original: 0, delta: [])))
  }
}
