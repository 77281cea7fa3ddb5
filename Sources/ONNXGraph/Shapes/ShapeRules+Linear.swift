extension ShapeRules {
  /// Products.
  static let linear: [String: Rule] = [
    "MatMul": { one($0.type(0), matmul($0.shape(0), $0.shape(1))) },
    "MatMulInteger": { one(ElementType.int32.rawValue, matmul($0.shape(0), $0.shape(1))) },
    "Gemm": { operation in
      let a = operation.shape(0)
      let b = operation.shape(1)
      let rows = a?.count == 2 ? a?[operation.node.int("transA") == 1 ? 1 : 0] : nil
      let columns = b?.count == 2 ? b?[operation.node.int("transB") == 1 ? 0 : 1] : nil
      return one(operation.type(0), [rows ?? nil, columns ?? nil])
    },
    "Einsum": { operation in
      one(
        operation.type(0),
        einsum(operation.node.string("equation") ?? "", operation.inputs.indices.map { operation.shape($0) }))
    },
  ]

  /// [..., M, K] · [..., K, N]; a list is a row on the left and a column on the right.
  static func matmul(_ a: [Dimension?]?, _ b: [Dimension?]?) -> [Dimension?]? {
    guard let a, let b, !a.isEmpty, !b.isEmpty else { return nil }
    let batchA = Array(a.dropLast(2))
    let batchB = Array(b.dropLast(2))
    guard let batch = broadcast([batchA, batchB]) else { return nil }
    var result = batch
    if a.count > 1 { result.append(a[a.count - 2]) }
    if b.count > 1 { result.append(b[b.count - 1]) }
    return result
  }

  private static func einsum(_ equation: String, _ shapes: [[Dimension?]?]) -> [Dimension?]? {
    let text = equation.filter { $0 != " " }
    guard !text.contains("."), let arrow = text.firstRange(of: "->") else { return nil }
    let terms = text[..<arrow.lowerBound].split(separator: ",", omittingEmptySubsequences: false)
    let output = text[arrow.upperBound...]
    guard terms.count == shapes.count else { return nil }
    var lengths: [Character: Dimension] = [:]
    for (term, shape) in zip(terms, shapes) {
      guard let shape, shape.count == term.count else { continue }
      for (letter, length) in zip(term, shape) {
        guard let length else { continue }
        // A length of 1 may be broadcast.
        if let known = lengths[letter], known != 1 { continue }
        lengths[letter] = length
      }
    }
    return output.map { lengths[$0] }
  }

  /// Convolutions, pooling, padding, resizing: an axis is walked with a window.
  static let windows: [String: Rule] = [
    "Conv": { one($0.type(0), convolution($0, weight: $0.shape(1))) },
    "ConvInteger": { one(ElementType.int32.rawValue, convolution($0, weight: $0.shape(1))) },
    "ConvTranspose": { one($0.type(0), transposedConvolution($0)) },
    "MaxPool": { one($0.type(0), pool($0)) + one(int64, pool($0)) },
    "AveragePool": { one($0.type(0), pool($0)) },
    "LpPool": { one($0.type(0), pool($0)) },
    "GlobalAveragePool": { globalPool($0) },
    "GlobalMaxPool": { globalPool($0) },
    "Pad": { operation in
      guard let shape = operation.shape(0) else { return one(operation.type(0), nil) }
      let pads =
        (operation.node.ints("pads") ?? operation.node.ints("paddings"))?.map { Dimension($0) as Dimension? }
        ?? operation.integers(1)
      var axes = Array(shape.indices)
      if operation.has(3) {
        guard let list = operation.constants(3) else { return one(operation.type(0), shape.map { _ in nil }) }
        axes = list.compactMap { Operation.axis($0, rank: shape.count) }
      }
      guard let pads, pads.count == axes.count * 2 else { return one(operation.type(0), shape.map { _ in nil }) }
      var result = shape
      for (position, axis) in axes.enumerated() {
        guard let length = shape[axis], let before = pads[position], let after = pads[position + axes.count] else {
          result[axis] = nil
          continue
        }
        result[axis] = known(length + before + after)
      }
      return one(operation.type(0), result)
    },
    "Resize": { one($0.type(0), resize($0)) },
    "Upsample": { one($0.type(0), resize($0)) },
  ]

  /// ⌊(length + pads − dilation·(kernel − 1) − 1) / stride⌋ + 1.
  private static func window(
    _ length: Dimension?, kernel: Dimension?, stride: Int64, dilation: Int64, pads: Int64, up: Bool = false
  ) -> Dimension? {
    guard let length, let kernel, stride > 0 else { return nil }
    let reach = length + Dimension(pads) - (kernel - 1) * Dimension(dilation) - 1
    let steps = up ? reach.ceilingDivided(by: Dimension(stride)) : reach.floorDivided(by: Dimension(stride))
    return known(steps + 1)
  }

  private static func spatial(
    _ operation: Operation, _ shape: [Dimension?], kernel: [Dimension?]
  ) -> [Dimension?] {
    let count = shape.count - 2
    let node = operation.node
    let ones = [Int64](repeating: 1, count: count)
    let strides = node.ints("strides") ?? ones
    let dilations = node.ints("dilations") ?? ones
    let pads = node.ints("pads") ?? [Int64](repeating: 0, count: count * 2)
    let automatic = node.string("auto_pad") ?? "NOTSET"
    guard strides.count == count, dilations.count == count, pads.count == count * 2, kernel.count == count else {
      return Array(repeating: nil, count: count)
    }
    return (0..<count).map { axis in
      let length = shape[axis + 2]
      if automatic.hasPrefix("SAME") {
        return length.flatMap { strides[axis] > 0 ? known($0.ceilingDivided(by: Dimension(strides[axis]))) : nil }
      }
      let (sum, overflow) = pads[axis].addingReportingOverflow(pads[axis + count])
      if overflow { return nil }
      return window(
        length, kernel: kernel[axis], stride: strides[axis], dilation: dilations[axis],
        pads: automatic == "VALID" ? 0 : sum, up: node.int("ceil_mode") == 1)
    }
  }

  private static func convolution(_ operation: Operation, weight: [Dimension?]?) -> [Dimension?]? {
    guard let shape = operation.shape(0), shape.count >= 2 else { return nil }
    let kernel =
      operation.node.ints("kernel_shape").map { $0.map { Dimension($0) as Dimension? } }
      ?? weight.map { Array($0.dropFirst(2)) } ?? Array(repeating: nil, count: shape.count - 2)
    return [shape[0], weight?.first ?? nil] + spatial(operation, shape, kernel: kernel)
  }

  /// stride·(length − 1) + output_padding + dilation·(kernel − 1) + 1 − pads.
  private static func transposedConvolution(_ operation: Operation) -> [Dimension?]? {
    guard let shape = operation.shape(0), shape.count >= 2, let weight = operation.shape(1),
      weight.count == shape.count
    else { return nil }
    let node = operation.node
    let count = shape.count - 2
    let channels = weight[1].flatMap { known($0 * Dimension(node.int("group") ?? 1)) }
    let ones = [Int64](repeating: 1, count: count)
    let strides = node.ints("strides") ?? ones
    let dilations = node.ints("dilations") ?? ones
    let extra = node.ints("output_padding") ?? [Int64](repeating: 0, count: count)
    let pads = node.ints("pads") ?? [Int64](repeating: 0, count: count * 2)
    guard strides.count == count, dilations.count == count, extra.count == count, pads.count == count * 2,
      node.ints("output_shape") == nil, node.string("auto_pad") ?? "NOTSET" == "NOTSET"
    else { return [shape[0], channels] + Array(repeating: nil, count: count) }
    let kernel = node.ints("kernel_shape").map { $0.map { Dimension($0) as Dimension? } } ?? Array(weight.dropFirst(2))
    guard kernel.count == count else { return [shape[0], channels] + Array(repeating: nil, count: count) }
    return [shape[0], channels]
      + (0..<count).map { axis in
        guard let length = shape[axis + 2], let size = kernel[axis] else { return nil }
        let reach = (length - 1) * Dimension(strides[axis]) + (size - 1) * Dimension(dilations[axis])
        let rest = Dimension(extra[axis]) - Dimension(pads[axis]) - Dimension(pads[axis + count])
        return known(reach + rest + 1)
      }
  }

  private static func pool(_ operation: Operation) -> [Dimension?]? {
    guard let shape = operation.shape(0), shape.count >= 2 else { return nil }
    let kernel = operation.node.ints("kernel_shape")?.map { Dimension($0) as Dimension? } ?? []
    return [shape[0], shape[1]] + spatial(operation, shape, kernel: kernel)
  }

  private static func globalPool(_ operation: Operation) -> [InferredValue] {
    one(
      operation.type(0),
      operation.shape(0).map { shape in shape.enumerated().map { $0.offset < 2 ? $0.element : 1 } })
  }

  private static func resize(_ operation: Operation) -> [Dimension?]? {
    guard let shape = operation.shape(0) else { return nil }
    let isUpsample = operation.node.opType == "Upsample" || operation.opset < 11
    var axes = Array(shape.indices)
    if let list = operation.node.ints("axes") {
      axes = list.compactMap { Operation.axis($0, rank: shape.count) }
      guard axes.count == list.count else { return shape.map { _ in nil } }
    }
    var result = shape
    for axis in axes { result[axis] = nil }
    let stretched = operation.node.string("keep_aspect_ratio_policy") ?? "stretch" == "stretch"
    if !isUpsample, operation.has(3), stretched, let sizes = operation.integers(3), sizes.count == axes.count {
      for (position, axis) in axes.enumerated() { result[axis] = sizes[position] }
      return result
    }
    let scales =
      operation.node.floats("scales")?.map { SymbolicScalar.real(Double($0)) }
      ?? operation.contents(isUpsample ? 1 : 2)?.elements
    guard let scales, scales.count == axes.count else { return result }
    for (position, axis) in axes.enumerated() {
      guard let length = shape[axis] else { continue }
      result[axis] = scaled(length, by: scales[position])
    }
    return result
  }

  /// ⌊length · scale⌋.
  private static func scaled(_ length: Dimension, by scale: SymbolicScalar) -> Dimension? {
    if let factor = scale.integer { return known(length * factor) }
    guard let factor = scale.number, factor > 0 else { return nil }
    if let number = length.value {
      let product = (Double(number) * factor).rounded(.down)
      return product < 0x1p62 ? Dimension(Int64(product)) : nil
    }
    let inverse = (1 / factor).rounded()
    return 1 / inverse == factor && inverse < 0x1p31 ? known(length.floorDivided(by: Dimension(Int64(inverse)))) : nil
  }
}
