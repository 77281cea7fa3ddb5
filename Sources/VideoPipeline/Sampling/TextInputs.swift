import OnnxRuntime

/// The text inputs of a model, from the arrays of text files: found by name, checked, and padded with zeros to the
/// length that the model fixes.
struct TextInputs: Sendable {
  private let match: AdapterMatch
  private let text: [String: Tensor]
  private let negative: [String: Tensor]

  init(_ match: AdapterMatch, text: [String: Tensor], negative: [String: Tensor]) {
    self.match = match
    self.text = text
    self.negative = negative
  }

  /// The batch of an input for the branches of a call.
  func array(_ input: Adapter.Input, _ branches: [Guidance.Branch]) throws(SamplerError) -> Tensor? {
    var rows: [Row] = []
    for branch in branches { rows.append(try row(input, branch.text)) }
    guard let first = rows.first else { return nil }
    var shape = first.shape
    for row in rows {
      guard row.shape.count == shape.count else { throw .textShape(array: input.arrayName, expected: nil, row.shape) }
      shape = zip(shape, row.shape).map(max)
    }
    let hasMask = match.inputs.contains { $0.role == .textMask }
    guard hasMask || rows.allSatisfy({ $0.shape == shape }) else {
      throw .textLengths(array: input.arrayName, rows.map(\.shape))
    }
    return Tensor.of(
      rows.flatMap { $0.padded(to: shape) }, shape: [rows.count] + shape,
      match.types[input.port.name] ?? .float32)
  }

  /// One text's values of an input, without the batch.
  private struct Row {
    var values: [Float]
    var shape: [Int]

    /// Zeros after the values along every dimension.
    func padded(to wanted: [Int]) -> [Float] {
      if wanted == shape { return values }
      var result = [Float](repeating: 0, count: elementCount(wanted) ?? 0)
      for index in values.indices {
        var (rest, place, stride) = (index, 0, 1)
        for (length, wantedLength) in zip(shape, wanted).reversed() {
          place += rest % length * stride
          rest /= length
          stride *= wantedLength
        }
        result[place] = values[index]
      }
      return result
    }
  }

  private func row(_ input: Adapter.Input, _ branch: Guidance.Branch.Text) throws(SamplerError) -> Row {
    let lengths = input.port.dims.dropFirst().map(fixedLength)
    guard let array = find(input, branch) else {
      if input.role == .textMask, let tokens = try tokens(branch) { return mask(tokens, lengths) }
      // Without any text, the negative one is not what to ask for first.
      throw .textMissing(
        array: input.arrayName, isNegative: branch == .negative && !text.isEmpty, known: text.keys.sorted())
    }
    var shape = array.shape
    if shape.count == input.port.dims.count, shape.first == 1 { shape.removeFirst() }
    let fits =
      shape.count == lengths.count && !shape.contains(0)
      && zip(zip(shape, lengths), input.port.dims.dropFirst()).allSatisfy { pair, dim in
        guard let length = pair.1 else { return true }
        return pair.0 == length || pair.0 < length && canPad(dim)
      }
    guard fits else { throw .textShape(array: input.arrayName, expected: lengths, array.shape) }
    let row = Row(values: array.floats, shape: Array(shape))
    let wanted = zip(shape, lengths).map { $1 ?? $0 }
    return Row(values: row.padded(to: wanted), shape: wanted)
  }

  private func mask(_ tokens: Int, _ lengths: [Int?]) -> Row {
    let length = lengths.last.flatMap { $0 } ?? tokens
    return Row(values: (0..<length).map { $0 < tokens ? 1 : 0 }, shape: [length])
  }

  /// Tokens of the first text input that has an axis of text, as the file has them.
  func tokens(_ branch: Guidance.Branch.Text) throws(SamplerError) -> Int? {
    for input in match.inputs where input.role == .text {
      guard let position = input.port.dims.firstIndex(where: isText), let array = find(input, branch) else { continue }
      let missing = input.port.dims.count - array.shape.count
      return position >= missing && position - missing < array.shape.count ? array.shape[position - missing] : nil
    }
    return nil
  }

  private func find(_ input: Adapter.Input, _ branch: Guidance.Branch.Text) -> Tensor? {
    switch branch {
    case .positive: lookUp(input, in: text, input.arrayName)
    case .negative: lookUp(input, in: negative, input.arrayName) ?? text["negative_" + input.arrayName]
    }
  }

  /// The array of the name; the only array of a file that is for the only text input.
  private func lookUp(_ input: Adapter.Input, in arrays: [String: Tensor], _ name: String) -> Tensor? {
    if let array = arrays[name] { return array }
    let isOnly = arrays.count == 1 && match.inputs.count { $0.role == .text } == 1
    return isOnly && input.role == .text ? arrays.first?.value : nil
  }

  private func isText(_ dim: Adapter.Dim) -> Bool {
    if case .named(let name) = dim { match.adapter.axis(named: name)?.meaning == .text } else { false }
  }

  /// A mask tells the model which tokens are none.
  private func canPad(_ dim: Adapter.Dim) -> Bool {
    guard case .named(let name) = dim, let axis = match.adapter.axis(named: name), axis.meaning == .text else {
      return false
    }
    return axis.isPadded || match.inputs.contains { $0.role == .textMask }
  }

  private func fixedLength(_ dim: Adapter.Dim) -> Int? {
    switch dim {
    case .fixed(let length): return length
    case .named(let name):
      if case .fixed(let length)? = match.axes[name] { return length }
      return nil
    }
  }
}

extension Adapter.Input {
  /// The array of the text file that the input takes.
  var arrayName: String { array ?? port.name }
}
