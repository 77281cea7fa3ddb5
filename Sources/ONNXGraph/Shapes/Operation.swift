/// A node with what is known of its inputs, as the rules see it.
struct Operation {
  let node: Node
  /// Version of the node's operator set in its model or function; 0: not imported.
  let opset: Int64
  /// Nil: an absent optional.
  let inputs: [InferredValue?]

  func input(_ index: Int) -> InferredValue? { index < inputs.count ? inputs[index] : nil }
  func shape(_ index: Int) -> [Dimension?]? { input(index)?.shape }
  func type(_ index: Int) -> Int32 { input(index)?.elementType ?? 0 }
  func contents(_ index: Int) -> SymbolicTensor? { input(index)?.contents }
  /// An input's elements as lengths, each nil where unknown; nil where not even their number is known.
  func integers(_ index: Int) -> [Dimension?]? {
    if let contents = contents(index) { return contents.integers }
    // The length of a list is known more often than what stands in it.
    guard let shape = shape(index), shape.count == 1, let count = shape[0]?.value, count <= 16 else { return nil }
    return Array(repeating: nil, count: Int(count))
  }
  /// An input's elements where all are numbers.
  func constants(_ index: Int) -> [Int64]? {
    guard let list = contents(index)?.integers else { return nil }
    let values = list.compactMap { $0?.value }
    return values.count == list.count ? values : nil
  }
  func has(_ index: Int) -> Bool { input(index) != nil }

  /// Ints from an attribute (before some opset) or an input (since).
  func axes(attribute: String = "axes", input index: Int = 1) -> [Int64]? { node.ints(attribute) ?? constants(index) }

  /// An axis counted from the front; nil where it is out of range.
  static func axis(_ axis: Int64, rank: Int) -> Int? {
    let counted = axis < 0 ? axis &+ Int64(rank) : axis
    return (0..<Int64(rank)).contains(counted) ? Int(counted) : nil
  }

  static func axes(_ axes: [Int64], rank: Int) -> Set<Int>? {
    let found = Set(axes.compactMap { axis($0, rank: rank) })
    return found.count == axes.count ? found : nil
  }
}

extension [Dimension?] {
  /// The product where all are known.
  var product: Dimension? {
    var result: Dimension = 1
    for item in self {
      guard let item else { return nil }
      result = result * item
    }
    return result.isKnown ? result : nil
  }
}
