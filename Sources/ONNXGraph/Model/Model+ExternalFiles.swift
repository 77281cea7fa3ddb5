import Glibc

extension Model {
  /// Tensors whose data stands in other files: initializers and attributes, of all graphs and functions.
  public var externalTensors: [Tensor] {
    var found: [Tensor] = []
    func note(_ tensor: Tensor) {
      if tensor.external != nil { found.append(tensor) }
    }
    func walk(_ nodes: [Node]) {
      for node in nodes {
        for case .tensor(let tensor) in node.attributes.values { note(tensor) }
        for graph in node.subgraphs {
          graph.initializers.forEach(note)
          walk(graph.nodes)
        }
      }
    }
    graph.initializers.forEach(note)
    walk(graph.nodes)
    for function in functions { walk(function.nodes) }
    return found
  }

  /// Checks that every file with external data is there. That each tensor's bytes fit into its file was checked when
  /// the model was read.
  /// - Throws: `externalDataMissing` with the first tensor whose data is not there.
  public func checkExternalData() throws(ModelError) {
    var seen: Set<String> = []
    for tensor in externalTensors {
      guard let location = tensor.external?.location, seen.insert(location).inserted else { continue }
      let label = tensor.name.isEmpty ? location : tensor.name
      guard let found = try storage.folder?.open(location, tensor: label) else {
        throw .externalDataMissing(tensor: label, location: location, reason: "there is no such file")
      }
      close(found.descriptor)
    }
  }

  /// Opens a file of external data as reading its tensors would: beneath the model's folder, regular, with one name.
  ///
  /// - Returns: a descriptor for reading, which the caller closes.
  /// - Throws: `externalDataOutside`, `externalDataMissing`.
  public func openExternalData(_ location: String) throws(ModelError) -> Int32 {
    guard let found = try storage.folder?.open(location, tensor: location) else {
      throw .externalDataMissing(tensor: location, location: location, reason: "there is no such file")
    }
    return found.descriptor
  }

  /// False where a model that is written to a path would not be allowed to read one of its data files, which is there.
  public func mayReadExternalData(_ location: String, from path: String) -> Bool {
    do throws(ModelError) {
      if let found = try ExternalFolder(ofModel: path, followsLink: false)?.open(location, tensor: location) {
        close(found.descriptor)
      }
      return true
    } catch {
      return false
    }
  }
}
