/// Changes a model as a tree of fields, so that most of what comes of it still is one.
struct WireMutator {
  private var random: SplitMix

  init(seed: UInt32) { random = SplitMix(state: UInt64(seed)) }

  /// Numbers at the edges of what counts, dimensions, types and offsets may be.
  private static let numbers: [UInt64] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 16, 17, 64, 65, 255, 256, 1 << 15, 1 << 16, 1 << 20, 1 << 31, 1 << 32, 1 << 40,
    1 << 62, UInt64(Int64.max), 1 << 63, UInt64.max, UInt64.max - 1, UInt64(bitPattern: -3), UInt64(bitPattern: -4),
  ]

  /// Words that mean something to a reader of models.
  private static let words = [
    "", "x", "y", "perm", "axis", "axes", "scale", "to", "value", "num_heads", "Softmax", "MatMul", "Reshape",
    "Transpose",
    "Concat", "Slice", "Split", "Gather", "Shape", "Expand", "Einsum", "Where", "Add", "Mul", "Identity", "Constant",
    "ConstantOfShape", "If", "Loop", "Scan", "Attention", "MultiHeadAttention", "com.microsoft", "isa", "ai.onnx",
    "location", "offset", "length", "external.bin", "../external.bin", "*/_ORT_MEM_ADDR_/*", "S", "2*S", "S/0", "-S",
    "9223372036854775807*S", "bhqk,bhkd->bhqd", "...ij,...jk->...ik", "isa.version", "isa.restore",
  ]

  /// One to four changes.
  mutating func mutated(_ bytes: [UInt8], other: [UInt8]? = nil) -> [UInt8]? {
    guard var tree = WireTree(bytes[...]), !tree.fields.isEmpty else { return nil }
    let donor = other.flatMap { WireTree($0[...]) }
    for _ in 0...random.below(4) { change(&tree, at: random.below(max(1, tree.count)), donor: donor) }
    return tree.encoded
  }

  /// Changes the field that is the position-th of a walk from the root.
  private mutating func change(_ tree: inout WireTree, at position: Int, donor: WireTree?) {
    var left = position
    for index in tree.fields.indices {
      if left == 0 { return change(&tree.fields, index, donor) }
      left -= 1
      guard case .message(var message) = tree.fields[index].value else { continue }
      let inside = message.count
      if left < inside {
        change(&message, at: left, donor: donor)
        tree.fields[index].value = .message(message)
        return
      }
      left -= inside
    }
  }

  private mutating func change(_ fields: inout [WireTree.Field], _ index: Int, _ donor: WireTree?) {
    switch random.below(16) {
    case 0: fields.remove(at: index)
    case 1: fields.insert(fields[index], at: random.below(fields.count))
    case 2: fields.swapAt(index, random.below(fields.count))
    case 3: fields[index].number = 1 + UInt64(random.below(26))
    case 4:
      // A field from elsewhere; of the same number where one stands here, so that types agree.
      if let field = donor.flatMap({ pick($0, number: fields[index].number) }) { fields[index] = field }
    case 5:
      // Messages inside each other.
      if case .message(var message) = fields[index].value, message.count < 2000 {
        message.fields.append(fields[index])
        fields[index].value = .message(message)
      }
    case 6:
      // A name from nearby: other edges in the graph.
      let near = fields.indices.filter { fields[$0].number == fields[index].number }
      fields[index].value = fields[near[random.below(near.count)]].value
    default: fields[index].value = changed(fields[index].value)
    }
  }

  private mutating func changed(_ value: WireTree.Value) -> WireTree.Value {
    switch value {
    case .varint(let number):
      switch random.below(4) {
      case 0: return .varint(number &+ 1)
      case 1: return .varint(number ^ 1 << UInt64(random.below(64)))
      default: return .varint(Self.numbers[random.below(Self.numbers.count)])
      }
    case .fixed(var content):
      content[random.below(content.count)] = UInt8(random.below(256))
      return .fixed(content)
    case .bytes, .message:
      var content: [UInt8] =
        if case .message(let message) = value { message.encoded } else if case .bytes(let bytes) = value { bytes } else
        {
          []
        }
      switch random.below(8) {
      case 0: return .bytes(Array(Self.words[random.below(Self.words.count)].utf8))
      case 1 where !content.isEmpty: content.removeLast(1 + random.below(content.count))
      case 2: content += content.prefix(64)
      // A dimension, a length or an index of eight bytes.
      case 3 where content.count >= 8:
        let at = random.below(content.count / 8) * 8
        let number = Self.numbers[random.below(Self.numbers.count)]
        for byte in 0..<8 { content[at + byte] = UInt8(truncatingIfNeeded: number >> (8 * UInt64(byte))) }
      default:
        guard !content.isEmpty else { return .bytes([UInt8(random.below(256))]) }
        content[random.below(content.count)] = UInt8(random.below(256))
      }
      return .bytes(content)
    }
  }

  /// Any field of a tree with this number.
  private mutating func pick(_ tree: WireTree, number: UInt64) -> WireTree.Field? {
    var found: [WireTree.Field] = []
    func walk(_ tree: WireTree) {
      for field in tree.fields {
        if field.number == number { found.append(field) }
        if case .message(let message) = field.value { walk(message) }
      }
    }
    walk(tree)
    return found.isEmpty ? nil : found[random.below(found.count)]
  }
}

/// A small generator with a seed (splitmix64).
struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }
}
