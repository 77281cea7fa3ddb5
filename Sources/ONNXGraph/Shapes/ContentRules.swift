/// The elements of small tensors, followed through the operators that exporters compute shapes and scales with.
enum ContentRules {
  /// The contents of the outputs, nil where they are not followed.
  ///
  /// - Parameter shapes: what the shape rules gave for the outputs.
  static func contents(_ operation: Operation, _ outputs: [InferredValue]) -> [SymbolicTensor?] {
    guard operation.node.domain.isEmpty, let rule = rules[operation.node.opType], let first = outputs.first,
      isSmall(first)
    else { return [] }
    return rule(operation, outputs)
  }

  typealias Rule = @Sendable (Operation, [InferredValue]) -> [SymbolicTensor?]

  /// True where a known shape does not make it larger than what is followed.
  private static func isSmall(_ value: InferredValue) -> Bool {
    guard let shape = value.shape else { return true }
    var count: Int64 = 1
    for length in shape {
      guard let number = length?.value else { continue }
      guard number <= Int64(SymbolicTensor.elementLimit) else { return false }
      count *= Swift.max(1, number)
      if count > Int64(SymbolicTensor.elementLimit) { return false }
    }
    return true
  }

  static let rules: [String: Rule] = {
    var table = moves
    for (name, function) in SymbolicScalar.unary {
      table[name] = { operation, outputs in
        guard let source = operation.contents(0) else { return [] }
        return [map(source, rounding: outputs[0].elementType, function)]
      }
    }
    for (name, function) in SymbolicScalar.binary {
      table[name] = { operation, outputs in
        [
          combine(operation.inputs.indices.map { operation.contents($0) }, outputs[0].elementType) {
            function($0, $1, isFloat(operation.type(0)))
          }
        ]
      }
    }
    return table
  }()

  static func isFloat(_ type: Int32) -> Bool { ElementType(rawValue: type)?.isFloatingPoint == true }

  static func map(
    _ source: SymbolicTensor, rounding type: Int32, _ function: (SymbolicScalar) -> SymbolicScalar
  ) -> SymbolicTensor {
    var result = source
    for index in result.elements.indices { result.elements[index] = function(result.elements[index]).rounded(to: type) }
    return result
  }

  /// Folds any number of operands from the left, broadcasting.
  private static func combine(
    _ operands: [SymbolicTensor?], _ type: Int32, _ function: (SymbolicScalar, SymbolicScalar) -> SymbolicScalar
  ) -> SymbolicTensor? {
    guard var result = operands.first ?? nil else { return nil }
    for operand in operands.dropFirst() {
      guard let operand, let dims = broadcast(result.dims, operand.dims) else { return nil }
      let elements = indices(dims).map { index in
        function(result[broadcasting: index], operand[broadcasting: index]).rounded(to: type)
      }
      guard let next = SymbolicTensor(dims: dims, elements: elements) else { return nil }
      result = next
    }
    return result
  }

  static func broadcast(_ a: [Int], _ b: [Int]) -> [Int]? {
    let rank = Swift.max(a.count, b.count)
    var dims: [Int] = []
    var count = 1
    for axis in 0..<rank {
      let x = axis + a.count >= rank ? a[axis + a.count - rank] : 1
      let y = axis + b.count >= rank ? b[axis + b.count - rank] : 1
      guard x == y || x == 1 || y == 1 else { return nil }
      dims.append(x == 1 ? y : x)
      count *= dims[axis]
      guard count <= SymbolicTensor.elementLimit else { return nil }
    }
    return dims
  }

  /// Every index of a shape, row-major.
  static func indices(_ dims: [Int]) -> [[Int]] {
    var result: [[Int]] = [[]]
    for length in dims { result = result.flatMap { head in (0..<length).map { head + [$0] } } }
    return result
  }

  // MARK: Moves

  private static let moves: [String: Rule] = {
    let same: Rule = { operation, outputs in [operation.contents(0)] }
    let reshaped: Rule = { operation, outputs in
      guard let source = operation.contents(0), let dims = numbers(outputs[0].shape) else { return [] }
      return [SymbolicTensor(dims: dims, elements: source.elements)]
    }
    return [
      "Identity": same, "Dropout": same,
      "Reshape": reshaped, "Squeeze": reshaped, "Unsqueeze": reshaped, "Flatten": reshaped,
      "Constant": { _, outputs in [outputs[0].contents] },
      "Shape": { operation, _ in
        guard let shape = operation.shape(0) else { return [] }
        return [list(shape[ShapeRules.shapeRange(operation.node, rank: shape.count)].map { SymbolicScalar($0) })]
      },
      "Size": { operation, _ in
        [SymbolicTensor(dims: [], elements: [SymbolicScalar(operation.shape(0)?.product)])]
      },
      "Cast": { operation, outputs in
        guard let source = operation.contents(0) else { return [] }
        return [map(source, rounding: outputs[0].elementType) { $0.cast(to: outputs[0].elementType) }]
      },
      "CastLike": { operation, outputs in
        guard let source = operation.contents(0) else { return [] }
        return [map(source, rounding: outputs[0].elementType) { $0.cast(to: outputs[0].elementType) }]
      },
      "ConstantOfShape": { operation, outputs in
        guard let dims = numbers(outputs[0].shape) else { return [] }
        let value = operation.node.tensor("value").flatMap { InferredValue($0).contents?.elements.first } ?? .real(0)
        return [filled(dims, value)]
      },
      "Expand": { operation, outputs in
        guard let source = operation.contents(0), let dims = numbers(outputs[0].shape) else { return [] }
        return [SymbolicTensor(dims: dims, elements: indices(dims).map { source[broadcasting: $0] })]
      },
      "Where": { operation, outputs in
        guard let condition = operation.contents(0), let a = operation.contents(1), let b = operation.contents(2),
          let partial = broadcast(condition.dims, a.dims), let dims = broadcast(partial, b.dims)
        else { return [] }
        let elements = indices(dims).map { index in
          let yes = a[broadcasting: index]
          let no = b[broadcasting: index]
          guard let truth = condition[broadcasting: index].truth else { return yes == no ? yes : .unknown }
          return truth ? yes : no
        }
        return [SymbolicTensor(dims: dims, elements: elements)]
      },
      "Range": { operation, outputs in
        guard let count = outputs[0].shape?.first??.value, count <= Int64(SymbolicTensor.elementLimit),
          let start = operation.contents(0)?.elements.first, let delta = operation.contents(2)?.elements.first
        else { return [] }
        return [
          list(
            (0..<count).map { step in
              if let start = start.integer, let delta = delta.integer {
                return .integer(start + delta * Dimension(step))
              }
              guard let start = start.number, let delta = delta.number else { return .unknown }
              return .real(start + delta * Double(step))
            })
        ]
      },
      "Transpose": { operation, outputs in
        guard let source = operation.contents(0), let dims = numbers(outputs[0].shape) else { return [] }
        let order = operation.node.ints("perm")?.map { Int($0) } ?? Array(source.dims.indices.reversed())
        guard order.count == source.dims.count else { return [] }
        let elements = indices(dims).map { index in
          var from = index
          for (position, axis) in order.enumerated() { from[axis] = index[position] }
          return source[broadcasting: from]
        }
        return [SymbolicTensor(dims: dims, elements: elements)]
      },
      "Concat": { operation, outputs in concat(operation, outputs[0]) },
      "Gather": { operation, outputs in gather(operation, outputs[0]) },
      "Slice": { operation, outputs in slice(operation, outputs[0]) },
      "Split": { operation, outputs in split(operation, outputs) },
      "ReduceProd": { operation, outputs in reduce(operation, outputs[0], 1) { SymbolicScalar.multiply($0, $1, $2) } },
      "ReduceSum": { operation, outputs in reduce(operation, outputs[0], 0) { SymbolicScalar.add($0, $1, $2) } },
      "ReduceMax": { operation, outputs in reduce(operation, outputs[0], nil) { SymbolicScalar.maximum($0, $1, $2) } },
      "ReduceMin": { operation, outputs in reduce(operation, outputs[0], nil) { SymbolicScalar.minimum($0, $1, $2) } },
    ]
  }()

  static func numbers(_ shape: [Dimension?]?) -> [Int]? {
    guard let shape else { return nil }
    let values = shape.compactMap { length in
      length?.value.flatMap { (0...Int64(SymbolicTensor.elementLimit)).contains($0) ? Int($0) : nil }
    }
    return values.count == shape.count ? values : nil
  }

  static func list(_ elements: [SymbolicScalar]) -> SymbolicTensor? {
    SymbolicTensor(dims: [elements.count], elements: elements)
  }

  private static func filled(_ dims: [Int], _ value: SymbolicScalar) -> SymbolicTensor? {
    var count = 1
    for length in dims {
      count *= length
      guard count <= SymbolicTensor.elementLimit else { return nil }
    }
    return SymbolicTensor(dims: dims, elements: Array(repeating: value, count: count))
  }

  /// Of lists only: other ranks do not occur in shape computations.
  private static func concat(_ operation: Operation, _ output: InferredValue) -> [SymbolicTensor?] {
    guard output.shape?.count == 1 else { return [] }
    var elements: [SymbolicScalar] = []
    for index in operation.inputs.indices {
      if let contents = operation.contents(index) {
        elements += contents.elements
      } else if let count = operation.shape(index)?.first??.value, count <= Int64(SymbolicTensor.elementLimit) {
        elements += Array(repeating: .unknown, count: Int(count))
      } else {
        return []
      }
      guard elements.count <= SymbolicTensor.elementLimit else { return [] }
    }
    return [list(elements)]
  }

  private static func gather(_ operation: Operation, _ output: InferredValue) -> [SymbolicTensor?] {
    guard let source = operation.contents(0), let indices = operation.contents(1), let dims = numbers(output.shape),
      let axis = Operation.axis(operation.node.int("axis") ?? 0, rank: source.dims.count)
    else { return [] }
    let elements = Self.indices(dims).map { index -> SymbolicScalar in
      let inner = Array(index[axis..<axis + indices.dims.count])
      guard let chosen = indices[broadcasting: inner].integer?.value,
        let place = Operation.axis(chosen, rank: source.dims[axis])
      else { return .unknown }
      return source[broadcasting: index[..<axis] + [place] + index[(axis + indices.dims.count)...]]
    }
    return [SymbolicTensor(dims: dims, elements: elements)]
  }

  private static func slice(_ operation: Operation, _ output: InferredValue) -> [SymbolicTensor?] {
    guard let source = operation.contents(0), let dims = numbers(output.shape),
      let bounds = SliceBounds(operation, rank: source.dims.count)
    else { return [] }
    var starts = [Int](repeating: 0, count: source.dims.count)
    var steps = [Int](repeating: 1, count: source.dims.count)
    for (position, axis) in bounds.axes.enumerated() {
      guard let start = bounds.start(of: Dimension(source.dims[axis]), at: position)?.value,
        let step = bounds.step(at: position), step.magnitude <= UInt64(SymbolicTensor.elementLimit)
      else { return [] }
      starts[axis] = Int(start)
      steps[axis] = Int(step)
    }
    let elements = indices(dims).map { index -> SymbolicScalar in
      let from = index.indices.map { starts[$0] + steps[$0] * index[$0] }
      guard zip(from, source.dims).allSatisfy({ $0 >= 0 && $0 < $1 }) else { return .unknown }
      return source[broadcasting: from]
    }
    return [SymbolicTensor(dims: dims, elements: elements)]
  }

  private static func split(_ operation: Operation, _ outputs: [InferredValue]) -> [SymbolicTensor?] {
    guard let source = operation.contents(0), source.dims.count == 1 else { return [] }
    var rest = source.elements[...]
    return outputs.map { output in
      guard let count = numbers(output.shape)?.first, count <= rest.count else { return nil }
      defer { rest = rest.dropFirst(count) }
      return list(Array(rest.prefix(count)))
    }
  }

  /// Of lists, over all elements.
  private static func reduce(
    _ operation: Operation, _ output: InferredValue, _ neutral: Dimension?,
    _ function: (SymbolicScalar, SymbolicScalar, Bool) -> SymbolicScalar
  ) -> [SymbolicTensor?] {
    guard let source = operation.contents(0), source.dims.count <= 1, let dims = numbers(output.shape),
      dims.allSatisfy({ $0 == 1 }),
      ShapeRules.reducedAxes(operation, rank: source.dims.count)?.count == source.dims.count
    else { return [] }
    let isFloat = isFloat(operation.type(0))
    guard let first = source.elements.first ?? neutral.map({ .integer($0) }) else { return [] }
    let result = source.elements.dropFirst().reduce(first) { function($0, $1, isFloat) }
    return [SymbolicTensor(dims: dims, elements: [result])]
  }
}

extension SymbolicTensor {
  /// An element by an index that may have more axes in front and others where this tensor has length 1.
  subscript(broadcasting index: [Int]) -> SymbolicScalar {
    var flat = 0
    for (axis, length) in dims.enumerated() {
      let position = index.count + axis - dims.count
      flat = flat * length + (length == 1 || position < 0 ? 0 : index[position])
    }
    return elements.indices.contains(flat) ? elements[flat] : .unknown
  }

  subscript(broadcasting index: ArraySlice<Int>) -> SymbolicScalar { self[broadcasting: Array(index)] }
}
