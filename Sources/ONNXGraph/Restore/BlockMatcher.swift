import Glibc

/// Finds what two byte strings share: runs of the target that stand somewhere in the base, the rest as insertions.
///
/// Blocks of the base are indexed by a hash; the target is walked with the same hash rolling, and every hit is made as
/// long as it goes in both directions. Large files are matched with large blocks first and the gaps again with small
/// ones, so that the index stays small. Linear time but for the gaps' share.
struct BlockMatcher {
  enum Piece: Equatable {
    case copy(offset: Int, count: Int)
    case insert(Range<Int>)
  }

  let base: UnsafeRawBufferPointer
  let target: UnsafeRawBufferPointer
  static let smallBlock = 32
  /// Blocks in the index of the first pass, about.
  static let indexedBlocks = 1 << 18

  func pieces() -> [Piece] {
    var block = Self.smallBlock
    while base.count / block > Self.indexedBlocks { block *= 2 }
    var result = match(0..<base.count, 0..<target.count, block: block)
    if block > Self.smallBlock { result = refined(result) }
    return result
  }

  /// Matches the gaps of a first pass again, against what of the base lies between their neighbours.
  private func refined(_ pieces: [Piece]) -> [Piece] {
    var result: [Piece] = []
    var baseEnd = 0
    // Copies that jump to and fro leave gaps as long as the base: together they may not cost more than a few passes.
    var budget = base.count * 2
    for (index, piece) in pieces.enumerated() {
      switch piece {
      case .copy(let offset, let count):
        result.append(piece)
        baseEnd = offset + count
      case .insert(let range):
        var next = base.count
        if index + 1 < pieces.count, case .copy(let offset, _) = pieces[index + 1] { next = offset }
        if baseEnd < next, range.count >= Self.smallBlock, next - baseEnd <= budget,
          (next - baseEnd) / Self.smallBlock <= Self.indexedBlocks * 8
        {
          budget -= next - baseEnd
          result += match(baseEnd..<next, range, block: Self.smallBlock)
        } else {
          result.append(piece)
        }
      }
    }
    return result
  }

  private func match(_ baseRange: Range<Int>, _ targetRange: Range<Int>, block: Int) -> [Piece] {
    guard targetRange.count >= block, baseRange.count >= block, let baseStart = base.baseAddress,
      let targetStart = target.baseAddress
    else { return targetRange.isEmpty ? [] : [.insert(targetRange)] }
    let index = BlockIndex(base, baseRange, block: block)
    var pieces: [Piece] = []
    var done = targetRange.lowerBound
    var at = done
    var hash = BlockHash(block: block)
    hash.start(target, at)
    while at + block <= targetRange.upperBound {
      if let candidate = index.find(hash.value), memcmp(baseStart + candidate, targetStart + at, block) == 0 {
        var before = 0
        let room = min(at - done, candidate - baseRange.lowerBound)
        while before < room, base[candidate - before - 1] == target[at - before - 1] { before += 1 }
        let start = at - before
        let offset = candidate - before
        let longest = min(targetRange.upperBound - at, baseRange.upperBound - candidate)
        let count =
          before + block
          + Self.commonCount(baseStart + candidate + block, targetStart + at + block, limit: longest - block)
        if done < start { pieces.append(.insert(done..<start)) }
        pieces.append(.copy(offset: offset, count: count))
        done = start + count
        at = done
        if at + block <= targetRange.upperBound { hash.start(target, at) }
      } else {
        if at + block < targetRange.upperBound { hash.roll(out: target[at], in: target[at + block]) }
        at += 1
      }
    }
    if done < targetRange.upperBound { pieces.append(.insert(done..<targetRange.upperBound)) }
    return pieces
  }

  private static func commonCount(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, limit: Int) -> Int {
    let step = 4096
    var count = 0
    while count + step <= limit, memcmp(a + count, b + count, step) == 0 { count += step }
    while count < limit, a.load(fromByteOffset: count, as: UInt8.self) == b.load(fromByteOffset: count, as: UInt8.self)
    {
      count += 1
    }
    return count
  }
}

/// A polynomial hash of a block that can move on by one byte.
struct BlockHash {
  let block: Int
  private let leading: UInt64
  private(set) var value: UInt64 = 0
  static let factor: UInt64 = 0x9e37_79b9_7f4a_7c15 | 1

  init(block: Int) {
    self.block = block
    leading = (1..<Swift.max(block, 1)).reduce(1 as UInt64) { power, _ in power &* Self.factor }
  }

  mutating func start(_ bytes: UnsafeRawBufferPointer, _ at: Int) {
    var hash: UInt64 = 0
    for index in at..<at + block { hash = hash &* Self.factor &+ UInt64(bytes[index]) }
    value = hash
  }

  mutating func roll(out old: UInt8, in new: UInt8) {
    value = (value &- UInt64(old) &* leading) &* Self.factor &+ UInt64(new)
  }
}

/// The first place of each distinct block of a range, in an open hash table.
struct BlockIndex {
  private var slots: [UInt64]
  private let mask: Int
  private let start: Int
  private let block: Int

  init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, block: Int) {
    let count = range.count / block
    var capacity = 16
    while capacity < count * 2 { capacity *= 2 }
    mask = capacity - 1
    start = range.lowerBound
    self.block = block
    slots = [UInt64](repeating: 0, count: capacity)
    var hash = BlockHash(block: block)
    for number in 0..<count {
      hash.start(bytes, start + number * block)
      let (slot, tag) = Self.place(hash.value)
      var at = slot & mask
      while slots[at] != 0, slots[at] >> 32 != tag { at = (at + 1) & mask }
      if slots[at] == 0 { slots[at] = tag << 32 | UInt64(number + 1) }
    }
  }

  func find(_ hash: UInt64) -> Int? {
    let (slot, tag) = Self.place(hash)
    var at = slot & mask
    while slots[at] != 0 {
      if slots[at] >> 32 == tag { return start + (Int(slots[at] & 0xffff_ffff) - 1) * block }
      at = (at + 1) & mask
    }
    return nil
  }

  /// Where to look, and what to compare there.
  private static func place(_ hash: UInt64) -> (Int, UInt64) {
    let mixed = (hash ^ (hash &>> 29)) &* 0xbf58_476d_1ce4_e5b9
    return (Int(truncatingIfNeeded: mixed &>> 24), mixed &>> 32)
  }
}
